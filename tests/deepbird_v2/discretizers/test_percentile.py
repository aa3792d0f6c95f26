"""The percentile discretizer in NumPy: vectors of the published runtime, and its search by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepbird_v2.discretizers.percentile import (
    PercentileDiscretizer,
    StateError,
    bisect,
    tie_bins,
)
from vectors import cases

VECTORS = cases("percentile_discretizer_infer.npz")


def state_of(vector):
    edges = vector["bin_vals"]
    bin_ids = vector["bin_ids"].reshape(edges.shape)
    return PercentileDiscretizer(vector["feature_ids"], edges, bin_ids, int(vector["output_bits"]))


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_gives_the_published_runtimes_ids(vector):
    keys, values = state_of(vector).apply(vector["in_ids"], vector["in_vals"])
    np.testing.assert_array_equal(keys, vector["out_keys"])
    np.testing.assert_array_equal(values, vector["out_vals"].astype(np.float32))


def test_ties_follow_the_bisection():
    """Documented pattern for 21 edges: a bin to the left (L), or the edge's own (=)."""
    ties = tie_bins(np.arange(21.0)[np.newaxis])[0]
    pattern = "".join("L" if t < i else "=" for i, t in enumerate(ties))
    assert pattern == "===LL=L=LL=L=LL=L=LL="


@given(
    hnp.arrays(np.float64, st.integers(2, 30), elements=st.integers(-5, 5).map(float)),
    st.lists(st.one_of(st.integers(-6, 6).map(float), st.floats()), min_size=1, max_size=30),
)
def test_search_is_the_bisection_for_any_edges(edges, values):
    edges = np.sort(edges)
    state = PercentileDiscretizer(
        np.array([7]), edges[np.newaxis], np.arange(1, len(edges) + 1)[np.newaxis], 10
    )
    values = np.array(values)
    found = state.bins(np.zeros(len(values), np.int64), values)
    assert found.tolist() == [0 if np.isnan(v) else bisect(edges, v) for v in values]


def test_other_keys_never_meet_a_bin():
    rng = np.random.default_rng(0)
    state = PercentileDiscretizer(
        np.array([5, 3]), np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[1, 2], [3, 4]]), 4
    )
    keys = rng.integers(-(2**63), 2**63 - 1, 1000)
    out, _ = state.apply(keys, np.ones(1000))
    assert out.min() >= state.known
    assert out.max() < 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bin_vals": np.array([[1.0, 0.0]])}, "not ascending"),
        ({"bin_vals": np.array([[1.0, np.nan]])}, "not ascending"),
        ({"bin_ids": np.array([[1, 99]])}, "outside"),
        ({"bin_ids": np.array([[1, 2, 3]])}, "expected feature_ids"),
        ({"output_bits": 1}, "outside|leave no ids"),
        ({"output_bits": 63}, "1..62"),
        (
            {
                "feature_ids": np.array([1, 1]),
                "bin_vals": np.zeros((2, 2)),
                "bin_ids": np.ones((2, 2), np.int64),
            },
            "twice",
        ),
    ],
)
def test_refuses_states_that_make_no_sense(change, message):
    good = {
        "feature_ids": np.array([1]),
        "bin_vals": np.array([[0.0, 1.0]]),
        "bin_ids": np.array([[1, 2]]),
        "output_bits": 4,
    }
    PercentileDiscretizer(**good)
    with pytest.raises(StateError, match=message):
        PercentileDiscretizer(**{**good, **change})
