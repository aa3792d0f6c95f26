"""Order statistics against the definitions, pair by pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.compare import ranking
from verify.compare.ranking import ndcg, rank

ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 2), st.booleans()),
    min_size=1,
    max_size=25,
)


def places(x):
    return np.array([(x > v).sum() + ((x == v).sum() - 1) / 2 for v in x])


def pairwise(x, y, weight):
    """Tau-b with a weight a pair, straight from the definition."""
    pair = weight[:, None] + weight[None, :]
    np.fill_diagonal(pair, 0.0)
    sx, sy = np.sign(x[:, None] - x[None, :]), np.sign(y[:, None] - y[None, :])
    spread = np.sqrt((pair * sx**2).sum()) * np.sqrt((pair * sy**2).sum())
    tau = (pair * sx * sy).sum() / spread if spread else np.nan
    return tau, int((sx * sy < 0).sum() // 2)


@settings(deadline=None)
@given(ROWS)
def test_every_group_is_as_defined(rows):
    x, y, group, within = (np.array(column) for column in zip(*rows, strict=True))
    group = np.unique(group, return_inverse=True)[1]
    x, y = x.astype(np.float32), y.astype(np.float32)
    result = rank(x, y, within, group, k=3)
    for g in range(group.max() + 1):
        mine = group == g
        a, b = x[mine], y[mine]
        tau, flips = pairwise(a, b, np.ones(len(a)))
        weighted, _ = pairwise(a, b, 1 / (1 + places(a)))
        _, real = pairwise(a, np.where(within[mine], a, b), np.ones(len(a)))
        np.testing.assert_allclose(result.kendall_tau[g], tau, atol=1e-12)
        np.testing.assert_allclose(result.weighted_tau[g], weighted, atol=1e-9)
        assert (result.flips[g], result.real_flips[g]) == (flips, real)
        top = [set(np.flatnonzero(s >= np.sort(s)[::-1][min(3, len(s)) - 1])) for s in (a, b)]
        overlap = len(top[0] & top[1]) / max(len(top[0]), len(top[1]))
        assert result.topk_overlap[g] == pytest.approx(overlap)


@pytest.mark.parametrize("noise", [0.0, 0.3, 2.0, 40.0, 1e4])
def test_near_and_far_orders_count_alike(noise, monkeypatch):
    """Places that differ a little are counted another way than places that differ a lot."""
    rng = np.random.default_rng(4)
    x = np.arange(300.0)
    y = np.round(x + noise * rng.normal(size=300), 1)
    group = np.arange(300) // 60
    _, flips = pairwise(x, y, np.ones(300))
    for groups, expected in ((None, flips), (group, None)):
        found = rank(x, y, np.zeros(300, bool), groups)
        monkeypatch.setattr(ranking, "NEAR", -1)
        far = rank(x, y, np.zeros(300, bool), groups)
        monkeypatch.undo()
        np.testing.assert_array_equal(found.flips, far.flips)
        np.testing.assert_allclose(found.weighted_tau, far.weighted_tau, atol=1e-12)
        assert expected is None or found.flips.sum() == expected


def test_a_reversed_order():
    x = np.arange(1000.0)
    result = rank(x, -x, np.zeros(1000, bool))
    assert result.kendall_tau[0] == -1
    assert result.flips[0] == 1000 * 999 // 2
    assert result.topk_overlap[0] == 0


def test_ndcg_of_known_orders():
    gains = np.array([3.0, 2.0, 0.0, 1.0])
    assert ndcg(gains, gains)[0] == 1.0
    worst = ndcg(-gains, gains)[0]
    discount = 1 / np.log2(np.arange(2, 6))
    assert worst == pytest.approx(([0, 1, 2, 3] @ discount) / ([3, 2, 1, 0] @ discount))
    assert np.isnan(ndcg(gains, np.zeros(4))[0])


def test_ndcg_of_ties_does_not_depend_on_the_order_of_the_file():
    scores = np.array([1.0, 1.0, 0.0])
    gains = np.array([1.0, 0.0, 0.0])
    assert ndcg(scores, gains)[0] == ndcg(scores, gains[[1, 0, 2]])[0]
