"""TensorIO folders: what v1 wrote is read, what is hostile is refused, what is written is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from migrate import tensorio

V1_SPEC = """
"\\"weight\\".'1'":
  type: tensor
  filename: weights.bin
  tensorType: Float
  offset: 1
  size: [2, 3]
'"bias".''1''':
  type: tensor
  filename: weights.bin
  tensorType: Float
  offset: 7
  size: [3]
'"every"."second"': {type: tensor, filename: weights.bin, tensorType: Float, offset: 2.0, size: [3],
                     stride: [2]}
ids: {type: tensor, filename: ids, tensorType: Long, offset: 1, size: [2]}
empty: {type: tensor, filename: none, tensorType: Double, offset: 1, size: []}
'"name"': {type: string, data: ranker}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.arange(9, dtype="<f4").tofile(tmp_path / "weights.bin")
    np.array([1 << 60, -2], "<i8").tofile(tmp_path / "ids")
    (tmp_path / "none").touch()
    (tmp_path / "spec.yaml").write_text(V1_SPEC)
    return tmp_path


def test_a_folder_of_v1(folder: Path) -> None:
    values = tensorio.read(folder)
    assert list(values) == ["weight.1", "bias.1", "every.second", "ids", "empty", "name"]
    np.testing.assert_array_equal(values["weight.1"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(values["bias.1"], [6, 7, 8])
    np.testing.assert_array_equal(values["every.second"], [1, 3, 5])
    np.testing.assert_array_equal(values["ids"], [1 << 60, -2])
    assert values["empty"].shape == (0,)
    assert values["name"] == "ranker"
    assert values["weight.1"].dtype == np.float32
    assert not values["weight.1"].flags.owndata
    assert not values["weight.1"].flags.writeable


def tensor(**change: Any) -> str:
    entry = {"type": "tensor", "filename": "weights.bin", "tensorType": "Float"}
    entry |= {"offset": 1, "size": [2, 3]} | change
    return f"w: { ({k: v for k, v in entry.items() if v is not None}) }"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (tensor(filename="../weights.bin"), "not inside the folder"),
        (tensor(filename="/etc/passwd"), "not inside the folder"),
        (tensor(filename="link"), "not inside the folder"),
        (tensor(filename="circle"), "circle"),
        (tensor(filename="missing"), "missing or no regular file"),
        (tensor(filename="."), "missing or no regular file"),
        (tensor(filename=3), "no file name"),
        (tensor(filename=None), "without filename"),
        (tensor(tensorType="Cuda"), "no such tensorType 'Cuda'; there are Byte"),
        (tensor(size=[4, 3]), r"need 12 elements, the file has 9"),
        (tensor(size=[1 << 40, 1 << 40]), "need"),
        (tensor(size=[1 << 52] * 3, stride=[0, 0, 0]), "size"),
        (tensor(size=[-1, 3]), "no size"),
        (tensor(size=[2.5]), "no size"),
        (tensor(size=[True]), "no size"),
        (tensor(size=3), "list"),
        (tensor(size=[1] * 65), "at most 64"),
        (tensor(offset=0), "need"),
        (tensor(offset=5), "need 10 elements"),
        (tensor(offset=".inf"), "no size"),
        (tensor(stride=[1]), "differ in length"),
        (tensor(stride=[9, 1]), "need 12 elements"),
        (tensor(type=None), "with a 'type'"),
        ("w: {type: number}", "without 'data'"),
        ("w: 3", "with a 'type'"),
        ("- w", "not a mapping"),
        ("", "not a mapping"),
        ("[w]: 1", "no text"),
        ("w: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("w: {type: x, data: 2001-99-99}", "month"),
        ("w: [", "spec.yaml"),
        ("w: " + "[" * 100_000, "nested too deep|maximum nesting depth"),  # ours, or newer PyYAML's
        ("'\"w\"': {type: x, data: 1}\nw: {type: x, data: 2}", "a second entry"),
    ],
)
def test_what_cannot_be_read_is_named(folder: Path, spec: str, message: str) -> None:
    (folder / "link").symlink_to(__file__)
    (folder / "circle").symlink_to("circle")
    (folder / "spec.yaml").write_text(spec)
    with pytest.raises(tensorio.TensorIOError, match=message) as caught:
        tensorio.read(folder)
    assert str(folder / "spec.yaml") in str(caught.value)


def test_a_folder_without_a_spec(tmp_path: Path) -> None:
    with pytest.raises(tensorio.TensorIOError, match=r"spec\.yaml: no such file"):
        tensorio.read(tmp_path)


def test_a_spec_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(tensorio.TensorIOError, match="utf-8"):
        tensorio.read(tmp_path)


names = st.lists(st.sampled_from(["weight", "bias", "1", "22", "Ünï"]), min_size=1, max_size=3)
arrays = hnp.arrays(
    st.sampled_from(["u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ">f4"]),
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
)
plain = st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)


@settings(max_examples=50, deadline=None)
@given(values=st.dictionaries(names.map(".".join), arrays | plain | st.lists(plain, max_size=3)))
def test_what_is_written_is_read(
    values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tensorio") / "weights"
    tensorio.write(folder, values)
    read = tensorio.read(folder)
    assert list(read) == list(values)
    for name, value in values.items():
        np.testing.assert_array_equal(read[name], value)
        if isinstance(value, np.ndarray):
            assert read[name].dtype == value.dtype.newbyteorder("<")


def test_an_earlier_folder_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    tensorio.write(folder, {"a": np.ones(2), "b": np.ones(3)})
    old = tensorio.read(folder)
    tensorio.write(folder, {"a": old["a"] + 1})
    assert sorted(p.name for p in folder.iterdir()) == ["1.raw", "spec.yaml"]
    assert [p.name for p in tmp_path.iterdir()] == ["weights"]
    np.testing.assert_array_equal(tensorio.read(folder)["a"], [2, 2])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"a": np.zeros(2, complex)}, "complex128"),
        ({"a": np.array(1.0)}, "0 dimensions"),
        ({"a": object()}, "object has no place"),
        ({'"a"': 1}, "quotes"),
        ({"": 1}, "empty"),
    ],
)
def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    folder = tmp_path / "weights"
    tensorio.write(folder, {"kept": 1})
    with pytest.raises(tensorio.TensorIOError, match=message):
        tensorio.write(folder, {"fine": np.ones(2), **values})
    assert tensorio.read(folder) == {"kept": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["weights"]


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(tensorio.TensorIOError, match="give another folder"):
        tensorio.write(tmp_path, {"a": 1})
    assert (tmp_path / "thesis.tex").read_text() == "x"
