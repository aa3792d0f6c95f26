"""The published fit: every recorded calibration."""

import numpy as np
import pytest

from deepbird_v2.discretizers.errors import CalibrationDataError
from deepbird_v2.discretizers.published_fit import PublishedCalibrator, percentile_bin_vals
from vectors import cases

VECTORS = cases("percentile_calibration.npz")


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_gives_the_published_edges(vector):
    edges = percentile_bin_vals(vector["values"], vector["weights"], int(vector["n_bin"]))
    np.testing.assert_array_equal(edges, vector["bin_vals"])


@pytest.mark.parametrize("kind", ["percentile", "mdl", "hashing", "hashed-percentile"])
def test_makes_every_kind(kind):
    v = VECTORS["c0"]
    calibrator = PublishedCalibrator(int(v["n_bin"]), 10, kind)
    half = len(v["values"]) // 2
    for part in (slice(half), slice(half, None)):
        keys = np.full(len(v["values"][part]), 7)
        calibrator.accumulate(keys, v["values"][part], v["weights"][part])
    state = calibrator.calibrate()
    np.testing.assert_array_equal(state.features[0].edges, v["bin_vals"])


def test_refuses_nothing_and_unknown_kinds():
    with pytest.raises(CalibrationDataError, match="no value"):
        PublishedCalibrator(5, 10).calibrate()
    with pytest.raises(CalibrationDataError, match="there are percentile"):
        PublishedCalibrator(5, 10, "mld")
    assert PublishedCalibrator(5, 10, allow_empty_calibration=True).calibrate().features == ()
