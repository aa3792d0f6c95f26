"""Calibration maps from every source: the same points, and one error for what is none."""

import shutil

import numpy as np
import pytest

from deepbird_v2.calibration.file import save
from deepbird_v2.calibration.isotonic import CalibrationError
from migrate import convert, t7, tensorio
from migrate.export import export
from migrate.graph import build, walk
from migrate.isotonic import load_isotonic


@pytest.fixture(scope="module")
def v1(golden):
    return load_isotonic(golden / "flights" / "flights.t7")


@pytest.fixture(scope="module")
def layer(golden):
    """The isotonic layer of the flights model, as Torch wrote it."""
    (root,) = (obj for _, obj in t7.find_modules(t7.load(golden / "flights" / "flights.t7")))
    return next(m for m in walk(build(root)) if m.class_name == "modules.IsotonicLayer")


def test_v1s_map(v1, layer):
    assert [len(side) for side in v1] == [42, 42]
    np.testing.assert_array_equal(v1, (layer.array("xs"), layer.array("ys")))


def test_every_source_gives_the_same_points(v1, layer, tmp_path):
    xs, ys = v1
    np.savez(tmp_path / "map.npz", xs=xs, ys=ys)
    save(xs, ys, tmp_path / "map.json")
    tensorio.write(tmp_path / "tensorio", {"6.xs": xs, "6.ys": ys, "6.other": xs, "7.xs": xs})
    tensorio.write(tmp_path / "flat", {"xs": xs, "ys": ys})
    model = convert(layer, example_inputs=np.zeros((3, 1), np.float32))
    export(model, tmp_path / "model")
    for name in ("map.npz", "map.json", "tensorio", "flat", "model"):
        found = load_isotonic(tmp_path / name)
        assert [side.tobytes() for side in found] == [side.tobytes() for side in v1], name


def test_a_layer_whose_table_of_ties_does_not_fit_is_refused(layer, tmp_path):
    converted = convert(layer, example_inputs=np.zeros((3, 1), np.float32))
    ties = next(v for v in converted.model.variables if v.path.endswith("ties"))
    ties.assign(np.asarray(ties)[::-1])
    export(converted, tmp_path / "model")
    with pytest.raises(CalibrationError, match="equal points does not fit"):
        load_isotonic(tmp_path / "model")


def text(path):
    path.write_text("xs, ys\n")


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


def without_map(path):
    tensorio.write(path, {"1.weight": np.zeros(3)})


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("map.csv", text, "no .t7 file, npz archive, map file"),
        ("map.npz", text, "no npz archive"),
        ("map.npz", npz(xs=np.zeros(2)), "expected xs and ys"),
        ("map.npz", npz(xs=np.arange(2), ys=np.arange(2)), "types int64 and int64"),
        ("map.npz", npz(xs=np.array([1.0, 0.0]), ys=np.zeros(2)), "xs descends"),
        ("tensorio", without_map, "0 entries have xs and ys"),
    ],
)
def test_what_holds_no_map_is_named(tmp_path, name, make, message):
    make(tmp_path / name)
    with pytest.raises(CalibrationError, match=message) as error:
        load_isotonic(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)


def test_a_model_without_a_map(golden, tmp_path):
    source = golden / "flights" / "flights_split.t7"
    with pytest.raises(CalibrationError, match="holds 0 modules of class"):
        load_isotonic(shutil.copy(source, tmp_path / "split.t7"))
