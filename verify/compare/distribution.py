"""Distributions of two score columns, each distance beside what chance alone makes.

These only monitor. Scores handed to the wrong requests have distances of exactly 0, so agreement
here proves nothing; see the paired comparison of `values`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from verify.compare.values import Array, Floats

# PSI: ten bins at v1's deciles, half a count added to every bin of both sides, so that an empty
# bin is neither skipped nor infinite.
PSI_BINS = 10
PSI_SMOOTHING = 0.5
PERMUTATIONS = 100
# Baselines of larger sets are taken from this many evenly spaced order statistics of each side.
BASELINE_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Distance:
    """One distance and its permutation baseline.

    Attributes:
        name: "ks", "psi" or "wasserstein".
        value: The distance between v1 and v2.
        baseline: The 99th percentile of the same distance between random halves of both sides
            pooled: what two samples of one distribution show by chance.
        sampled: Rows a side that the baseline was taken from; its scale is theirs.
        observed: The distance between those rows of v1 and v2.
    """

    name: str
    value: float
    baseline: float
    observed: float
    sampled: int

    @property
    def beyond_chance(self) -> bool:
        """Whether the distance is larger than chance makes it."""
        return self.observed > self.baseline


def distances(v1: Array, v2: Array, seed: int = 0) -> tuple[Distance, ...]:
    """Compare two distributions.

    Args:
        v1: Scores, finite, [rows].
        v2: Scores, finite, [rows].
        seed: Of the permutations.

    Raises:
        ValueError: A side is empty.
    """
    if not v1.size or not v2.size:
        raise ValueError("a distribution needs values")
    v1, v2 = np.sort(v1.astype(np.float64)), np.sort(v2.astype(np.float64))
    rng = np.random.default_rng(seed)
    size = min(len(v1), len(v2), BASELINE_ROWS)
    few1, few2 = _sample(v1, size), _sample(v2, size)
    edges = psi_edges(v1)
    pool = np.concatenate((few1, few2))
    order = np.argsort(pool, kind="stable")
    pool = pool[order]
    baselines = np.empty((PERMUTATIONS, 3))
    sides = np.zeros(2 * size, np.bool_)
    sides[:size] = True
    for row in baselines:
        mine = rng.permutation(sides)
        row[:] = _three(pool[mine], pool[~mine], edges)
    limits = np.quantile(baselines, 0.99, axis=0)
    full, observed = _three(v1, v2, edges), _three(few1, few2, edges)
    return tuple(
        Distance(name, full[i], float(limits[i]), observed[i], size)
        for i, name in enumerate(("ks", "psi", "wasserstein"))
    )


def psi_edges(v1: Array) -> Floats:
    """Return the inner edges of v1's bins: its deciles, equal ones once."""
    inner = np.quantile(v1, np.linspace(0.0, 1.0, PSI_BINS + 1)[1:-1])
    return np.asarray(np.unique(inner), np.float64)


def psi(v1: Array, v2: Array, edges: Floats) -> float:
    """Population stability index over given inner edges; a value on an edge is below it."""
    shares = []
    for values in (v1, v2):
        index = np.searchsorted(edges, values, side="left")
        counts = np.bincount(index, minlength=len(edges) + 1) + PSI_SMOOTHING
        shares.append(counts / counts.sum())
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def _three(v1: Floats, v2: Floats, edges: Floats) -> tuple[float, float, float]:
    """KS, PSI and Wasserstein distance of two ascending samples."""
    pool = np.sort(np.concatenate((v1, v2)), kind="stable")
    cdf1 = np.searchsorted(v1, pool, side="right") / len(v1)
    cdf2 = np.searchsorted(v2, pool, side="right") / len(v2)
    gap = np.abs(cdf1 - cdf2)
    return float(gap.max()), psi(v1, v2, edges), float((gap[:-1] * np.diff(pool)).sum())


def _sample(ordered: Floats, size: int) -> Floats:
    """Take evenly spaced order statistics, so that equal distributions give equal samples."""
    at = np.linspace(0, len(ordered) - 1, size)
    return ordered[np.rint(at).astype(np.int64)]
