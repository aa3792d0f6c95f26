"""What the shared options of a v1 model's source ask for."""

import numpy as np
import pytest
import typer

from deepbird_cli.source import example_inputs, load_extensions


@pytest.mark.parametrize(("shape", "sizes"), [("3", (3,)), ("1,3, 8", (1, 3, 8))])
def test_an_example_is_made_of_its_shape(shape, sizes):
    made = example_inputs(None, shape)
    assert (made.shape, made.dtype) == (sizes, np.float32)
    assert not made.any()


def test_an_example_file_comes_before_a_shape(golden):
    file = golden / "modules" / "Linear" / "input.t7"
    found = example_inputs(file, "9,9")
    assert found.shape != (9, 9)
    assert found.any()
    assert example_inputs(None, None) is None


@pytest.mark.parametrize("shape", ["", "a", "1,,2", "1.5"])
def test_what_is_no_shape_is_refused(shape):
    with pytest.raises(typer.BadParameter, match="no list of whole numbers"):
        example_inputs(None, shape)


def test_extensions_are_run_in_order(tmp_path, capsys):
    for name in ("b", "a"):
        (tmp_path / f"{name}.py").write_text(f"print({name!r})\n")
    load_extensions(None)
    load_extensions([tmp_path / "b.py", tmp_path / "a.py"])
    assert capsys.readouterr().out == "b\na\n"
