"""Distances of distributions: known values, and what they cannot see."""

import numpy as np
import pytest

from verify.compare.distribution import distances, psi, psi_edges

RNG = np.random.default_rng(3)
SCORES = RNG.random(3000)


def named(v1, v2):
    return {d.name: d for d in distances(v1, v2)}


def test_scores_of_other_requests_look_the_same():
    found = named(SCORES, RNG.permutation(SCORES))
    assert [d.value for d in found.values()] == [0.0, 0.0, 0.0]
    assert not any(d.beyond_chance for d in found.values())


def test_a_shift_is_seen_and_measured():
    found = named(SCORES, SCORES + 0.1)
    assert found["wasserstein"].value == pytest.approx(0.1)
    assert found["ks"].value == pytest.approx(0.1, abs=0.02)
    assert all(d.beyond_chance for d in found.values())


def test_another_sample_of_one_distribution_is_within_chance():
    found = named(SCORES, np.random.default_rng(4).random(3000))
    assert not any(d.beyond_chance for d in found.values())


def test_psi_by_hand():
    v1, v2 = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0])
    low, high = np.array([2.5, 1.5]) / 5, np.array([2.5, 3.5]) / 5
    expected = sum((b - a) * np.log(b / a) for a, b in (low, high))
    assert psi(v1, v2, np.array([0.5])) == pytest.approx(expected)


def test_equal_deciles_make_one_edge():
    assert psi_edges(np.array([0.0] * 95 + [1.0] * 5)).tolist() == [0.0]
    assert all(np.isfinite(d.value) for d in distances(np.zeros(50), np.ones(50)))


def test_equal_input_gives_equal_figures():
    assert distances(SCORES, SCORES * 0.99) == distances(SCORES, SCORES * 0.99)
