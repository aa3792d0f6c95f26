"""Kernels against their definitions; compiled ones against NumPy, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepbird_v2.calibration.isotonic import interpolate
from deepbird_v2.discretizers.percentile import PercentileDiscretizer
from deepbird_v2.serving import kernels


def without_core(build):
    """Make a kernel by NumPy alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPBIRD_NATIVE", "0")
        return build()


def state(rng, features=7, edges=6, bits=8, dtype=np.float64):
    ids = rng.choice(np.arange(-50, 50), features, replace=False).astype(np.int64)
    values = np.sort(rng.integers(-3, 4, (features, edges)), axis=1).astype(dtype)
    bins = rng.permutation(features * edges).reshape(features, edges).astype(np.int64)
    return PercentileDiscretizer(ids, values, bins, bits)


def rows(rng, batch, width, most=9):
    lengths = rng.integers(0, most, batch)
    splits = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    n = splits[-1]
    return kernels.Rows(rng.integers(0, width, n), rng.normal(size=n).astype(np.float32), splits)


@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from([np.float32, np.float64]),
    values=st.lists(st.floats(width=64) | st.sampled_from([-3.0, 0.0, 1.0, 3.0]), max_size=30),
)
@settings(max_examples=60, deadline=None)
def test_the_compiled_discretizer_does_what_the_state_says(seed, dtype, values):
    rng = np.random.default_rng(seed)
    made = state(rng, dtype=dtype)
    keys = rng.choice(np.concatenate([made.feature_ids, [99, -(2**63), 2**63 - 1]]), len(values))
    values = np.array(values, np.float64)
    splits = np.array([0, len(values)])
    got = kernels.Discretizer(made)(keys, values, splits)
    with np.errstate(over="ignore"):
        ids, kept = made.apply(keys, values)
    np.testing.assert_array_equal(got.ids, ids)
    np.testing.assert_array_equal(got.values, kept)


@pytest.mark.parametrize("units", [1, 5, 16, 48, 64, 100])
@pytest.mark.parametrize("batch", [0, 1, 17])
def test_sums_of_rows(rng, units, batch):
    table = rng.normal(size=(40, units)).astype(np.float32)
    bias = rng.normal(size=units).astype(np.float32)
    sparse = rows(rng, batch, 40)
    fast = kernels.GatherSum(table, bias)(sparse)
    slow = without_core(lambda: kernels.GatherSum(table, bias)(sparse))
    np.testing.assert_array_equal(fast, slow)
    dense = np.zeros((batch, 40))
    np.add.at(dense, (np.repeat(np.arange(batch), np.diff(sparse.splits)), sparse.ids),
              sparse.values)  # fmt: skip
    np.testing.assert_allclose(fast, dense @ table + bias, rtol=1e-5, atol=1e-5)


def test_binary_values_count_as_one(rng):
    table = rng.normal(size=(40, 3)).astype(np.float32)
    sparse = rows(rng, 9, 40)
    ones = sparse._replace(values=np.ones_like(sparse.values))
    got = kernels.GatherSum(table, None, binary=True)(sparse)
    np.testing.assert_array_equal(got, kernels.GatherSum(table, None)(ones))


@pytest.mark.parametrize("bad", [-1, 40])
@pytest.mark.parametrize("core", [True, False])
def test_a_key_outside_the_kernel_is_refused(bad, core):
    sparse = kernels.Rows(np.array([bad]), np.ones(1, np.float32), np.array([0, 1]))

    def run():
        return kernels.GatherSum(np.zeros((40, 2), np.float32), None)(sparse)

    with pytest.raises(IndexError):
        run() if core else without_core(run)


def test_discretizer_and_sum_in_one_pass(rng):
    made = state(rng)
    table = rng.normal(size=(256, 48)).astype(np.float32)
    keys = rng.choice(np.concatenate([made.feature_ids, [99, 1234]]), 50)
    values, splits = rng.normal(size=50), np.array([0, 20, 20, 50])

    def run():
        layer = kernels.GatherSum(table, np.ones(48))
        layer.end.slope = np.full(48, 0.25, np.float32)
        both = kernels.DiscretizedSum(kernels.Discretizer(made), layer)
        return both(keys, values, splits)

    np.testing.assert_array_equal(run(), without_core(run))


def test_dense_takes_in_a_rectifier(rng):
    table, bias, slope = (rng.normal(size=s).astype(np.float32) for s in ((6, 5), 5, 5))
    x = rng.normal(size=(11, 6)).astype(np.float32)

    def run():
        layer = kernels.Dense(table, bias)
        layer.end.slope = slope
        return layer(x)

    y = x @ table + bias
    np.testing.assert_array_equal(run(), np.where(y > 0, y, slope * y))
    np.testing.assert_array_equal(run(), without_core(run))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(points=st.lists(st.integers(0, 8), min_size=1, max_size=9), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_interpolation_is_that_of_the_calibration(dtype, points, seed):
    xs = np.sort(np.array(points)).astype(dtype) / 8
    ys = np.sort(np.random.default_rng(seed).random(len(xs))).astype(dtype)
    x = np.concatenate([xs, xs + 0.01, [-1, 0.5, 2, np.nan, np.inf, -np.inf]])
    x = x.astype(np.float32)[:, np.newaxis]
    for made in (
        kernels.Interpolation(xs, ys),
        without_core(lambda: kernels.Interpolation(xs, ys)),
    ):
        got = made(x)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, interpolate(x, xs, ys))
