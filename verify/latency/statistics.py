"""How sure a ratio of percentiles is: a bootstrap nested in process restarts, and Student's t.

Requests of one process are not independent (its memory layout, its thread placement), so the
process restart is the unit of evidence: restarts are drawn first, blocks within them second. Few
restarts make the bootstrap's own percentiles too narrow; it gives the standard error, and t with
one degree of freedom less than restarts that count turns that into bounds. What disturbs the whole
machine for a moment ruins one restart: of ten or more, a tenth at either end is left out of the
mean, and the error is that of the trimmed mean (Tukey and McLaughlin, from winsorized values).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from verify.latency.histogram import percentile

__all__ = ["RatioInterval", "percentile_ratio", "restarts_to_see", "student_t"]

Array = np.ndarray[Any, Any]
ROUNDS = 400
TRIM = 0.1
MOST = 10_001
NORMAL = 1_000  # degrees of freedom from which on t is the normal distribution


@dataclass(frozen=True)
class RatioInterval:
    """v2 / v1 of one percentile, or v2 in seconds for an absolute limit, with bounds.

    Attributes:
        estimate: geometric mean over restarts, a tenth at either end left out.
        low: bound of the two-sided interval.
        high: bound.
        error: standard error of the logarithm.
        restarts: units of evidence.
    """

    estimate: float
    low: float
    high: float
    error: float
    restarts: int

    @property
    def excludes_equality(self) -> bool:
        """Whether 1 is outside."""
        return self.low > 1 or self.high < 1


def percentile_ratio(
    histograms: Sequence[Array],
    percent: float,
    confidence: float,
    *,
    absolute: bool = False,
    seed: int = 0,
) -> RatioInterval:
    """The ratio of a percentile of engine 1 to that of engine 0.

    Args:
        histograms: [blocks, 2, BUCKETS] a restart.
        percent: which percentile.
        confidence: of the two-sided interval.
        absolute: the percentile of engine 1 itself instead.
        seed: of the draws.

    Raises:
        ValueError: fewer than two restarts.
    """
    n = len(histograms)
    if n < 2:
        raise ValueError(f"bounds need two process restarts or more, not {n}")
    own = np.array([_log_ratio(blocks.sum(axis=0), percent, absolute) for blocks in histograms])
    rng = np.random.default_rng(seed)
    # Restarts with blocks drawn anew, [rounds, restarts].
    drawn = np.stack([_resampled(b, percent, absolute, rng) for b in histograms], axis=1)
    left_out = int(TRIM * n)
    kept = np.sort(own)[left_out : n - left_out]
    if left_out:
        drawn = np.clip(drawn, kept[0], kept[-1])
    chosen = rng.integers(0, n, drawn.shape)
    means = np.take_along_axis(drawn, chosen, axis=1).mean(axis=1)
    error = float(means.std(ddof=1)) * math.sqrt(n / (n - 1)) * n / len(kept)
    middle, reach = float(kept.mean()), student_t((1 + confidence) / 2, len(kept) - 1) * error
    return RatioInterval(
        math.exp(middle), math.exp(middle - reach), math.exp(middle + reach), error, n
    )


def _log_ratio(pair: Array, percent: float, absolute: bool) -> Array:
    """log(engine 1 / engine 0) of pooled histograms [..., 2, BUCKETS]."""
    seconds = np.log(percentile(pair, percent))
    return np.asarray(seconds[..., 1] if absolute else seconds[..., 1] - seconds[..., 0])


def _resampled(blocks: Array, percent: float, absolute: bool, rng: np.random.Generator) -> Array:
    """The log ratio of one restart, blocks drawn anew, [ROUNDS]."""
    n = len(blocks)
    weights = rng.multinomial(n, np.full(n, 1 / n), ROUNDS).astype(np.float32)
    # Only buckets that hold anything matter; between them counts stay the same.
    used = np.flatnonzero(blocks.sum(axis=(0, 1)))
    below = np.cumsum(blocks[:, :, used], axis=2, dtype=np.float32).reshape(n, -1)
    sums = (weights @ below).reshape(ROUNDS, 2, -1)
    at = (sums < sums[..., -1:] * np.float32(percent / 100)).sum(axis=2)
    at = np.minimum(at, len(used) - 1)
    # In buckets: 128 a doubling. The middle of a bucket is near enough for an error.
    seconds = used[at] * (math.log(2) / 128)
    return np.asarray(seconds[:, 1] if absolute else seconds[:, 1] - seconds[:, 0])


def restarts_to_see(
    difference: float, interval: RatioInterval, confidence: float, power: float = 0.9
) -> int:
    """How many restarts show a difference, at the noise that was seen.

    Args:
        difference: relative, for example 0.05.
        interval: what was measured.
        confidence: of the two-sided interval that has to exclude equality.
        power: how often it then does.

    Returns:
        3 or more; 10,001 where 10,000 do not suffice.
    """
    spread = interval.error * math.sqrt(interval.restarts)

    def seen(n: int) -> bool:
        reach = student_t((1 + confidence) / 2, n - 1) + student_t(power, n - 1)
        return reach * spread / math.sqrt(n) <= math.log1p(difference)

    # More restarts see more.
    return 3 + bisect_left(range(3, MOST), True, key=seen)


def student_t(probability: float, freedom: int) -> float:
    """Quantile of Student's t.

    Args:
        probability: in (0.5, 1).
        freedom: degrees, 1 or more.
    """
    if freedom >= NORMAL:
        return NormalDist().inv_cdf(probability)
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        if (1 + _t_share(middle, freedom)) / 2 < probability:
            low = middle
        else:
            high = middle
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def _t_share(angle: float, freedom: int) -> float:
    """P(|t| < √freedom · tan(angle)), by the finite sums for whole degrees of freedom."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for n in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cosine * cosine * (n - 1) / n
    return (angle + sine * total) * 2 / math.pi if odd else sine * total
