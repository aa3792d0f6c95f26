"""The isotonic fit: against its optimality conditions, ties, bins, order, both cores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepbird_v2.calibration.fit import (
    IsotonicCalibrator,
    isotonic_points,
    isotonic_regression,
)
from deepbird_v2.calibration.isotonic import CalibrationError, interpolate
from deepbird_v2.discretizers.native import core

CORES = ["0", pytest.param("1", marks=pytest.mark.skipif(not core(), reason="core not built"))]


@pytest.fixture(params=CORES)
def either_core(request, monkeypatch):
    monkeypatch.setenv("DEEPBIRD_NATIVE", request.param)


SAMPLES = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0, 1, 2.5])),
    min_size=1,
    max_size=40,
)


def pooled_by_hand(y, w):
    """The max-min formula: no pooling, no order of operations."""
    n = len(y)

    def mean(a, b):
        return np.average(y[a:b], weights=w[a:b])

    return [
        max(min(mean(a, b) for b in range(i + 1, n + 1)) for a in range(i + 1)) for i in range(n)
    ]


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.1, 4)), min_size=1, max_size=25))
def test_it_is_the_max_min_formula(pairs):
    y, w = np.array(pairs).T
    np.testing.assert_allclose(isotonic_regression(y, w), pooled_by_hand(y, w), atol=1e-9)


@given(SAMPLES)
def test_both_cores_pool_the_same_blocks(samples):
    from deepbird_v2.calibration import fit

    y, w = np.array([s[1] for s in samples]), np.array([s[2] for s in samples], float)
    native = core()
    if native is None:
        pytest.skip("core not built")
    np.testing.assert_array_equal(fit._pool_adjacent(y, w), native.pool_adjacent(y, w))


@settings(deadline=None)
@given(SAMPLES, st.randoms(use_true_random=False), st.integers(1, 4))
def test_the_order_of_samples_changes_nothing(samples, random, n_bin):
    samples = [(x, y, w or 1.0) for x, y, w in samples] * 4
    mixed = list(samples)
    random.shuffle(mixed)
    points = [isotonic_points(*np.array(order, float).T, n_bin=n_bin) for order in (samples, mixed)]
    assert np.array(points[0]).tobytes() == np.array(points[1]).tobytes()
    xs, ys = points[0]
    assert (np.diff(xs) >= 0).all()
    assert (np.diff(ys) >= 0).all()


def test_bins_by_hand(either_core):
    x = np.arange(7.0)
    y = np.array([0, 1, 0, 0, 1, 1, 1.0])
    xs, ys = isotonic_points(x, y, n_bin=3)
    third = 1 / 3  # the mean of 1, 0, 0
    np.testing.assert_allclose(xs, [0.5, 2.5, 5.0], rtol=1e-15)
    np.testing.assert_allclose(ys, [third / 2, third, 1], rtol=1e-15)
    xs, ys = isotonic_points(x, y, n_bin=3, similar_bins=True)
    np.testing.assert_allclose(xs, [0.5, 2.5, 5.5], rtol=1e-15)


def test_weights_count_as_repeats(either_core):
    rng = np.random.default_rng(0)
    x, w = np.round(rng.random(200), 2), rng.integers(1, 5, 200)
    y = (rng.random(200) < x).astype(float)
    order = np.lexsort((w, y, x))
    fitted = isotonic_regression(y[order], w[order])
    repeated = isotonic_regression(np.repeat(y[order], w[order]))
    np.testing.assert_allclose(np.repeat(fitted, w[order]), repeated, atol=1e-12)


def test_it_calibrates(either_core):
    rng = np.random.default_rng(1)
    p = rng.random(50_000)
    score, outcome = p**2, rng.random(50_000) < p
    calibrator, other = IsotonicCalibrator(50), IsotonicCalibrator(50)
    for part in range(0, 50_000, 10_000):
        half = calibrator if part < 25_000 else other
        half.accumulate(score[part : part + 10_000], outcome[part : part + 10_000])
    calibrator.merge(other)
    xs, ys = calibrator.calibrate()
    assert xs.shape == ys.shape == (1, 50)
    assert np.abs(interpolate(score, xs[0], ys[0]) - p).mean() < 0.02


def test_the_layer_has_the_calibrated_points():
    calibrator = IsotonicCalibrator(3)
    rng = np.random.default_rng(2)
    calibrator.accumulate(rng.random((60, 2)), rng.integers(0, 2, (60, 2)), rng.random(60))
    xs, ys = calibrator.calibrate()
    layer = calibrator.to_layer(1)
    np.testing.assert_array_equal(layer.xs, xs[1])
    np.testing.assert_array_equal(layer.ys, ys[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: isotonic_points([0.0], [0.0], n_bin=2), "1 samples do not fill 2 bins"),
        (lambda: isotonic_points([0.0, 1], [0.0, 1], [0, 1], n_bin=2), "bin 0 of 2 .* no weight"),
        (lambda: isotonic_points([np.nan], [0.0], n_bin=1), "predictions must be finite"),
        (lambda: isotonic_points([0.0], [0.0, 1], n_bin=1), "expected"),
        (lambda: isotonic_regression([np.inf]), "targets must be finite"),
        (lambda: isotonic_regression([1.0], [-1.0]), "not negative"),
        (lambda: IsotonicCalibrator(2).calibrate(), "nothing to calibrate"),
        (lambda: IsotonicCalibrator(2).to_layer(), "call calibrate"),
        (lambda: IsotonicCalibrator(2).accumulate([1.0], [1.0, 2.0]), "expected predictions"),
    ],
)
def test_refuses_with_one_clear_error(call, message):
    with pytest.raises(CalibrationError, match=message):
        call()
