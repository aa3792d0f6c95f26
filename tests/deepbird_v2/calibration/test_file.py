"""The map file: canonical, read back bit for bit, refused when anything in it was altered."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepbird_v2.calibration.file import dumps, fingerprint, load, loads, save
from deepbird_v2.calibration.fit import IsotonicCalibrator
from deepbird_v2.calibration.isotonic import CalibrationError

XS, YS = np.array([0.1, 0.5, 0.9]), np.array([0.0, 0.25, 1.0])


@st.composite
def maps(draw):
    """Any ascending points of either type."""
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    size = draw(st.integers(1, 12))
    numbers = st.floats(allow_nan=False, allow_infinity=False, width=np.dtype(dtype).itemsize * 8)
    sides = (draw(st.lists(numbers, min_size=size, max_size=size)) for _ in range(2))
    return tuple(np.sort(np.array(side, dtype)) for side in sides)


@given(maps())
def test_reads_back_bit_for_bit_and_writes_the_same_bytes(points):
    content = dumps(*points)
    back = loads(content)
    for before, after in zip(points, back, strict=True):
        assert before.dtype == after.dtype
        assert before.tobytes() == after.tobytes()
    assert dumps(*back) == content


@given(maps(), st.data())
def test_one_ulp_is_another_fingerprint(points, data):
    side = data.draw(st.sampled_from([0, 1]))
    with np.errstate(over="ignore"):  # the largest float has no finite neighbour
        up = np.nextafter(points[side], points[side].dtype.type(np.inf))
    changed = [up if i == side else column for i, column in enumerate(points)]
    if np.isfinite(up).all():
        assert fingerprint(*points) != fingerprint(*changed)


@given(maps(), st.data())
def test_an_altered_byte_never_goes_unnoticed(points, data):
    """It is refused, or it says the same: blanks are no content."""
    content = bytearray(dumps(*points))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    try:
        back = loads(bytes(content))
    except CalibrationError:
        return
    assert dumps(*back) == dumps(*points)


def edited(**changes):
    data = json.loads(dumps(XS, YS))
    data.update(changes)
    return json.dumps({name: value for name, value in data.items() if value != "gone"}).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"[1]", "no deepbird-isotonic file"),
        (edited(version=2), "version 2; this release reads version 1"),
        (edited(points="gone"), "'points' is missing"),
        (edited(fingerprint="gone"), "'fingerprint' is missing"),
        (edited(colour=1), "unknown key 'colour'"),
        (edited(dtype="float16"), "dtype 'float16'; known: float32, float64"),
        (edited(dtype="float32"), "point 0 is not of type float32"),
        (edited(points=5), "points must be a list"),
        (edited(points=[]), "expected xs"),
        (edited(points=[[0.1, 0.2, 0.3]]), r"point 0 must be \[x, y\]"),
        (edited(points=[[0.1, 0.2], [0.3, True]]), r"point 1 must be \[x, y\]"),
        (edited(points=[[0.5, 0.2], [0.1, 0.3]]), "xs descends after point 0"),
        (edited(points=[[0.1, 0.3], [0.5, 0.2]]), "ys descends after point 0"),
        (edited(points=[[0.1, float("nan")]]), "NaN is no point"),
        (edited(points=[[0.1, float("inf")]]), "Infinity is no point"),
        (edited(points=[[10**400, 0.1]]), "too large"),
        (dumps(XS, YS).replace(b"0.5,0.25", b"1e999,0.25"), "not finite"),
        (dumps(XS, YS).replace(b"0.25", b"0.26"), "altered: take the original"),
        (dumps(XS, YS).replace(b"{", b'{"version":1,', 1), "key 'version' comes twice"),
        (edited(fingerprint=7), "altered: take the original"),
    ],
)
def test_refuses_what_is_no_map_file(content, message):
    with pytest.raises(CalibrationError, match=message) as error:
        loads(content, "map.json")
    assert str(error.value).startswith("map.json: ")


@pytest.mark.parametrize(
    ("xs", "ys", "message"),
    [
        (XS, YS.astype(np.float32), "types float64 and float32"),
        (XS.astype(np.float16), YS.astype(np.float16), "types float16"),
        (XS, YS[::-1], "ys descends"),
        (XS, np.array([0.0, np.nan, 1.0]), "not finite"),
    ],
)
def test_writes_nothing_but_maps(tmp_path, xs, ys, message):
    with pytest.raises(CalibrationError, match=message):
        save(xs, ys, tmp_path / "map.json")
    assert not list(tmp_path.iterdir())


def test_a_fit_is_saved_one_class_a_file(tmp_path):
    rng = np.random.default_rng(0)
    scores = rng.random((400, 2))
    calibrator = IsotonicCalibrator(8)
    calibrator.accumulate(scores, (rng.random((400, 2)) < scores).astype(float))
    with pytest.raises(CalibrationError, match="call calibrate"):
        calibrator.save(tmp_path / "map.json")
    xs, ys = calibrator.calibrate()
    for column in (0, 1):
        calibrator.save(tmp_path / f"{column}.json", column)
        back = load(tmp_path / f"{column}.json")
        np.testing.assert_array_equal(back, (xs[column], ys[column]))
    assert len(list(tmp_path.iterdir())) == 2


def test_is_read_without_tensorflow(tmp_path):
    save(XS, YS, tmp_path / "map.json")
    code = (
        "import sys; from migrate.isotonic import load_isotonic; "
        f"load_isotonic({str(tmp_path / 'map.json')!r}); "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
