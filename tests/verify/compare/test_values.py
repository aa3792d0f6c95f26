"""Element-wise figures against hand-made answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.compare.outputs import compare_outputs
from verify.compare.values import (
    LOGIT_LIMIT,
    logit,
    logit_resolution,
    measure,
    nonfinite_mismatch,
    ulp_distance,
)
from verify.tolerance import Tolerance
from verify.verdict import Stage, Status

NAN, INF = np.nan, np.inf


def test_figures():
    ref = np.array([1.0, 2.0, -4.0, 0.0])
    got = np.array([1.5, 2.0, -4.25, 1e-9])
    result = measure(ref, got, 0.3)
    assert not result.passed
    assert (result.count, result.mismatched, result.worst_index) == (4, 1, 0)
    assert result.max_abs == 0.5
    assert result.worst_allowed == 0.3
    assert result.max_rel == 0.5  # the zero is below the floor
    assert result.mean_abs == pytest.approx(0.75 / 4)
    assert result.bias == pytest.approx(0.25 / 4)
    assert result.needed_atol == 0.5
    norm = np.linalg.norm(ref) * np.linalg.norm(got)
    assert result.cosine == pytest.approx(ref @ got / norm, rel=1e-12)


@pytest.mark.parametrize(
    ("ref", "got", "different"),
    [
        ([NAN], [NAN], False),
        ([INF], [INF], False),
        ([INF], [-INF], True),
        ([NAN], [INF], True),
        ([NAN], [1.0], True),
        ([1.0], [-INF], True),
        ([1.0], [2.0], False),
    ],
)
def test_nonfinite_pattern(ref, got, different):
    ref, got = np.array(ref), np.array(got)
    assert nonfinite_mismatch(ref, got).tolist() == [different]
    assert measure(ref, got, 10.0).passed == (not different)


def test_worst_index_counts_elements_that_are_not_finite():
    ref = np.array([NAN, 1.0, 2.0])
    result = measure(ref, np.array([NAN, 1.0, 3.0]), 0.1)
    assert (result.worst_index, result.worst_ref, result.worst_got) == (2, 2.0, 3.0)


def test_neighbouring_integers_beyond_float64_differ():
    ref = np.array([2**60, 5])
    assert measure(ref, ref.copy(), 0.0).passed
    assert not measure(ref, ref + np.array([1, 0]), 0.0).passed


@settings(deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(0, 9))
def test_ulp_distance_counts_nextafter(start, steps):
    a = np.array([start], np.float32)
    b = a.copy()
    for _ in range(steps):
        with np.errstate(over="ignore", under="ignore"):
            b = np.nextafter(b, np.float32(INF))
    if np.isfinite(b[0]):
        assert ulp_distance(a, b)[0] == steps
        assert ulp_distance(b, a)[0] == steps


def test_ulp_distance_ends():
    top = np.finfo(np.float64).max
    assert ulp_distance(np.array([-top]), np.array([top]))[0] == pytest.approx(2.0**64, rel=1e-3)
    assert ulp_distance(np.array([0.0]), np.array([-0.0]))[0] == 0
    assert np.isnan(ulp_distance(np.array([NAN]), np.array([0.0]))[0])


def test_logits():
    p = np.array([0.0, 0.5, 0.9, 1.0, NAN])
    expected = [-LOGIT_LIMIT, 0.0, np.log(9), LOGIT_LIMIT, NAN]
    np.testing.assert_allclose(logit(p), expected, rtol=1e-14)
    near_one = np.array([1 - 2.0**-10], np.float32)
    step = logit(np.nextafter(near_one, np.float32(0))) - logit(near_one)
    assert logit_resolution(near_one)[0] == pytest.approx(-step[0], rel=0.01)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shapes differ"):
        measure(np.zeros(3), np.zeros((3, 1)), 0.0)
    with pytest.raises(ValueError, match="empty"):
        measure(np.zeros(0), np.zeros(0), 0.0)


BASE = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize(
    ("v1", "v2", "stage", "status"),
    [
        (BASE, BASE.T, Stage.SHAPES, Status.FAIL),
        (BASE, BASE.astype(np.float64), Stage.DTYPES, Status.FAIL),
        (BASE, np.where(BASE == 4, NAN, BASE).astype(np.float32), Stage.NONFINITE, Status.FAIL),
        (BASE, BASE + np.float32(1), Stage.VALUES, Status.FAIL),
        (BASE[:0], BASE[:0], Stage.VALUES, Status.NOT_COMPARABLE),
        (BASE * np.float32(NAN), BASE * np.float32(NAN), Stage.VALUES, Status.NOT_COMPARABLE),
    ],
)
def test_the_first_failing_stage_of_an_output(v1, v2, stage, status):
    checks, _ = compare_outputs("y", v1, v2, Tolerance(atol=1e-6))
    first = next(check for check in checks if check.status is not Status.PASS)
    assert (first.stage, first.status) == (stage, status)


def test_an_output_that_agrees():
    checks, result = compare_outputs("y", BASE, BASE.copy(), Tolerance())
    assert {check.status for check in checks} == {Status.PASS}
    assert result.max_abs == 0.0


def test_the_place_of_the_worst_value_is_named():
    wrong = BASE.copy()
    wrong[1, 2] += 1
    checks, _ = compare_outputs("y", BASE, wrong, Tolerance())
    assert checks[-1].location == "index (1, 2)"
