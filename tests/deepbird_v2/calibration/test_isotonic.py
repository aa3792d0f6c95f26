"""The isotonic map: vectors of the published runtime, in NumPy and as a layer."""

import numpy as np
import pytest

from deepbird_v2.calibration.isotonic import CalibrationError, check_points, interpolate
from vectors import cases

VECTORS = {
    f"{name}_{unit}": (v["xs"][unit], v["ys"][unit], v["x"][:, unit], v["linear"][:, unit])
    for name, v in cases("interpolation.npz").items()
    for unit in range(len(v["xs"]))
}


@pytest.mark.parametrize(("xs", "ys", "x", "expected"), VECTORS.values(), ids=VECTORS)
def test_gives_the_published_runtimes_values(xs, ys, x, expected):
    np.testing.assert_array_equal(interpolate(x, xs, ys), expected)


@pytest.mark.parametrize(("xs", "ys", "x", "expected"), VECTORS.values(), ids=VECTORS)
def test_layer_gives_the_same(xs, ys, x, expected):
    from deepbird_v2.layers.isotonic import Isotonic

    got = np.asarray(Isotonic.from_points(xs, np.sort(ys)).call(x.reshape(-1, 1)))
    reference = interpolate(x, xs, np.sort(ys))
    tolerance = 4 * np.finfo(xs.dtype).eps * max(1.0, float(np.abs(ys).max()))
    np.testing.assert_allclose(got[:, 0], reference, rtol=0, atol=tolerance)
    assert got.dtype == xs.dtype


@pytest.mark.parametrize(
    ("xs", "ys", "message"),
    [
        ([0.0, 1.0], [0.0], "expected"),
        ([], [], "expected"),
        ([0.0, np.nan], [0.0, 1.0], "not finite"),
        ([1.0, 0.0], [0.0, 1.0], "xs descends after point 0"),
        ([0.0, 1.0], [1.0, 0.0], "ys descends"),
    ],
)
def test_refuses_points_that_are_no_map(xs, ys, message):
    with pytest.raises(CalibrationError, match=message):
        check_points(np.array(xs), np.array(ys))
