"""Statistics against known values and simulations with fixed seeds."""

import math

import numpy as np
import pytest

from verify.stats.bootstrap import paired_difference
from verify.stats.multiple import benjamini_hochberg
from verify.stats.noise import noise_floor
from verify.stats.sequential import EValue
from verify.verdict import Status


def test_benjamini_hochberg_known_values():
    # the example of Benjamini and Hochberg's paper, smallest four of fifteen are discoveries
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
    p += [0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    adjusted = benjamini_hochberg(p)
    assert (adjusted <= 0.05).tolist() == [True] * 4 + [False] * 11
    np.testing.assert_allclose(adjusted[:3], [0.0015, 0.003, 0.0095])
    np.testing.assert_allclose(benjamini_hochberg(p[::-1]), adjusted[::-1])
    assert benjamini_hochberg([]).size == 0
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        benjamini_hochberg([0.5, math.nan])


def test_bootstrap_of_a_mean_has_the_width_theory_gives():
    rng = np.random.default_rng(0)
    v1 = rng.normal(size=400)
    v2 = v1 + 0.1 + 0.5 * rng.normal(size=400)
    interval = paired_difference(v1, v2)
    assert interval.estimate == pytest.approx(0.1, abs=0.06)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 0.5 / 20, rel=0.12)
    assert interval.excludes_zero
    assert interval.below(0.3)
    assert not interval.below(0.05)


def test_rows_of_one_group_are_no_independent_evidence():
    rng = np.random.default_rng(1)
    per_group = np.repeat(rng.normal(size=40), 25)
    groups = np.repeat(np.arange(40), 25)
    zero = np.zeros(1000)
    by_row, by_group = (
        paired_difference(zero, per_group),
        paired_difference(zero, per_group, groups),
    )
    assert by_group.high - by_group.low > 3.5 * (by_row.high - by_row.low)


@pytest.mark.parametrize(
    ("v1", "v2"), [([1.0], [1.0]), ([1.0, 2.0], [1.0, math.inf]), ([1.0, 2.0], [1.0])]
)
def test_bootstrap_needs_pairs(v1, v2):
    with pytest.raises(ValueError, match=r"bootstrap"):
        paired_difference(np.array(v1), np.array(v2))


def test_noise_floor():
    v1 = np.array([1.0, np.nan, 3.0])
    floor = noise_floor(v1, {"repeat": v1, "batch of 1": v1 + 1e-6})
    assert floor.value == pytest.approx(1e-6)
    assert floor.ratio(3e-6) == pytest.approx(3.0)
    assert floor.check("score", 1e-5).status is Status.PASS
    assert floor.check("score", 1e-7).status is Status.INCONCLUSIVE
    exact = noise_floor(v1, {"repeat": v1})
    assert (exact.ratio(0.0), exact.ratio(1e-9)) == (0.0, math.inf)
    with pytest.raises(ValueError, match="shape"):
        noise_floor(v1, {"repeat": v1[:2]})


@pytest.mark.parametrize(("good", "bad", "allowed"), [(0, 0, 0.1), (40, 3, 0.05), (5, 60, 0.3)])
def test_e_value_is_the_mixture_integral(good, bad, allowed):
    def mixture(low, high):
        t = np.linspace(low, high, 400_001)
        with np.errstate(divide="ignore", invalid="ignore"):
            density = t**bad * (1 - t) ** good
        return np.trapezoid(density, t) / (high - low) / (allowed**bad * (1 - allowed) ** good)

    value = EValue(allowed, 0.01, good, bad)
    assert value.log_value == pytest.approx(math.log(mixture(allowed, 1)), abs=1e-6)
    assert value.log_value_of_health == pytest.approx(math.log(mixture(0, allowed)), abs=1e-6)


def test_e_value_survives_a_hundred_looks():
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(300):
        bad = np.cumsum(rng.binomial(50, 0.02, 100))
        looks = (EValue(0.02, 0.05, 50 * (i + 1) - int(b), int(b)) for i, b in enumerate(bad))
        alarms += any(look.log_value >= math.log(20) for look in looks)
    assert alarms / 300 <= 0.05


@pytest.mark.parametrize(
    ("good", "bad", "status"),
    [
        (10, 0, Status.INCONCLUSIVE),
        (2000, 0, Status.PASS),
        (900, 100, Status.FAIL),
        (10_000_000, 0, Status.PASS),
    ],
)
def test_sequential_verdict(good, bad, status):
    assert EValue(0.01).add(good, bad).status is status
