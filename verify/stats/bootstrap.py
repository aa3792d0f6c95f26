"""Confidence intervals of paired differences; rows that depend on each other are drawn together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval, in units of the values."""

    estimate: float
    low: float
    high: float
    confidence: float

    @property
    def excludes_zero(self) -> bool:
        """Whether zero is outside the interval."""
        return self.low > 0.0 or self.high < 0.0

    def below(self, margin: float) -> bool:
        """Say whether the whole interval is below a margin (non-inferiority of a loss)."""
        return self.high < margin


def paired_difference(
    v1: Floats,
    v2: Floats,
    groups: NDArray[np.int64] | None = None,
    *,
    confidence: float = 0.95,
    rounds: int = 2000,
    seed: int = 0,
) -> Interval:
    """Bootstrap the mean of v2 − v1 over rows that belong together.

    Args:
        v1: A figure a row (a loss, a latency), [rows].
        v2: The same figure of v2, [rows].
        groups: Group number of each row from 0; whole groups are drawn, since rows of one request
            are not independent. None draws rows.
        confidence: Of the two-sided percentile interval.
        rounds: Number of resamples.
        seed: Of the resamples.

    Raises:
        ValueError: The lengths differ, there are fewer than two groups, or values are not finite.
    """
    if v1.shape != v2.shape or not (np.isfinite(v1).all() and np.isfinite(v2).all()):
        raise ValueError("a paired bootstrap needs equally many finite values on both sides")
    difference = np.asarray(v2, np.float64) - np.asarray(v1, np.float64)
    owner = np.arange(len(difference)) if groups is None else groups
    sums = np.bincount(owner, difference)
    sizes = np.bincount(owner).astype(np.float64)
    if len(sums) < 2:
        raise ValueError(f"a bootstrap needs two groups or more, not {len(sums)}")
    rng = np.random.default_rng(seed)
    means = np.empty(rounds)
    for i in range(rounds):
        drawn = rng.integers(0, len(sums), len(sums))
        means[i] = sums[drawn].sum() / sizes[drawn].sum()
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, (tail, 1.0 - tail))
    return Interval(float(sums.sum() / sizes.sum()), float(low), float(high), confidence)
