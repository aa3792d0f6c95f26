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


@pytest.mark.parametrize(
    ("vals", "weights", "message"),
    [
        ([1.0, np.nan], None, "feature 7: NaN among its values"),
        ([1.0, 2.0, 3.0, 4.0], [3e38] * 4, "feature 7: its weights add up to more than float32"),
        ([1.0], [-1.0], "weights must be float32 numbers from 0 on"),
        ([1.0], [1e300], "weights must be float32 numbers from 0 on"),
        ([1.0], [np.nan], "weights must be float32 numbers from 0 on"),
        ([1.0], [1.0, 2.0], r"weights \(2,\) for keys \(1,\)"),
    ],
)
def test_refuses_what_the_published_search_would_not_end_on(vals, weights, message):
    def calibrate():
        calibrator = PublishedCalibrator(2, 10)
        calibrator.accumulate([7] * len(vals), vals, weights)
        return calibrator.calibrate()

    with pytest.raises(CalibrationDataError, match=message):
        calibrate()


def test_rows_are_in_the_order_of_first_appearance_and_ascend_within_a_batch():
    calibrator = PublishedCalibrator(2, 10)
    for keys in ([9, -3, 9], [-5, 9, 2], [1]):
        calibrator.accumulate(keys, [0.0, 1.0, 2.0][: len(keys)])
    state = calibrator.calibrate()
    first = {b.feature: int(b.ids[0]) for b in state.features}
    assert sorted(first, key=first.__getitem__) == [-3, 9, -5, 2, 1]


def test_refuses_nothing_and_unknown_kinds():
    with pytest.raises(CalibrationDataError, match="no value"):
        PublishedCalibrator(5, 10).calibrate()
    with pytest.raises(CalibrationDataError, match="there are percentile"):
        PublishedCalibrator(5, 10, "mld")
    assert PublishedCalibrator(5, 10, allow_empty_calibration=True).calibrate().features == ()
