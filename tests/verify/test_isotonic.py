"""The comparison of calibration maps: identical passes, one moved point fails and is located."""

import numpy as np
import pytest

from deepbird_v2.calibration.isotonic import CalibrationError
from migrate.isotonic import load_isotonic
from verify.isotonic import compare_maps
from verify.verdict import Status


@pytest.fixture(scope="module")
def v1(golden):
    return load_isotonic(golden / "flights" / "flights.t7")


def test_identical_maps_pass(v1):
    report = compare_maps(v1, v1, scores=np.linspace(-1, 2, 101))
    assert report.verdict.status is Status.PASS
    assert len(report.verdict.checks) == 3


@pytest.mark.parametrize("which", [0, 1], ids=["xs", "ys"])
def test_one_point_moved_by_1_ulp_fails_and_is_located(v1, which):
    points = [column.copy() for column in v1]
    middle = len(points[1]) // 2
    points[which][middle] = np.nextafter(points[which][middle], np.inf)
    report = compare_maps(v1, tuple(points))
    assert report.verdict.status is Status.FAIL
    where = float(report.verdict.decisive.location)
    assert v1[0][middle - 1] <= where <= v1[0][middle + 1]
    assert compare_maps(v1, tuple(points), atol=1e-9).verdict.status is Status.PASS


def test_a_float32_map_differs_within_its_rounding(v1):
    narrow = tuple(column.astype(np.float32) for column in v1)
    assert compare_maps(v1, narrow).verdict.status is Status.FAIL


def test_ends_and_scores(v1):
    lower = (v1[0], np.concatenate([[v1[1][0] - 0.1], v1[1][1:]]))
    report = compare_maps(v1, lower, scores=np.zeros(0))
    special = next(c for c in report.verdict.checks if c.name == "special values")
    assert "NaN" in special.detail
    assert "-Inf" in special.detail
    traffic = next(c for c in report.verdict.checks if c.name == "traffic")
    assert traffic.status is Status.INCONCLUSIVE


def test_refuses_what_is_no_map(v1):
    with pytest.raises(CalibrationError, match="ys descends"):
        compare_maps(v1, (v1[0], v1[1][::-1]))
