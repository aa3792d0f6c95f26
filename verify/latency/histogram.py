"""Latencies as counts in logarithmic buckets: small, mergeable, exact to a quarter of a percent."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["BUCKETS", "bucket_edges", "counts", "percentile"]

Array = np.ndarray[Any, Any]

# 128 buckets a doubling, from a nanosecond to eighteen minutes.
PER_DOUBLING = 128
DOUBLINGS = 40
BUCKETS = PER_DOUBLING * DOUBLINGS
LEAST = 1e-9


def counts(seconds: Array) -> Array:
    """Count latencies.

    Args:
        seconds: any shape; what lies outside the range goes to the first or last bucket.

    Returns:
        int64[BUCKETS]; histograms merge by addition.
    """
    at = np.log2(np.maximum(np.ravel(seconds), LEAST) / LEAST) * PER_DOUBLING
    return np.bincount(np.minimum(at.astype(np.int64), BUCKETS - 1), minlength=BUCKETS)


def bucket_edges() -> Array:
    """float64[BUCKETS + 1] in seconds; bucket i is [edge i, edge i + 1)."""
    return np.asarray(LEAST * np.exp2(np.arange(BUCKETS + 1) / PER_DOUBLING))


def percentile(histogram: Array, percent: float) -> Array:
    """The latency that ``percent`` % of the requests do not exceed.

    Args:
        histogram: [..., BUCKETS] counts.
        percent: in (0, 100).

    Returns:
        float64[...] in seconds, interpolated inside a bucket; NaN where nothing was counted.
    """
    below = np.cumsum(histogram, axis=-1, dtype=np.float64)
    total = below[..., -1:]
    wanted = total * percent / 100
    at = np.minimum((below < wanted).sum(axis=-1, keepdims=True), BUCKETS - 1)
    inside = np.take_along_axis(np.asarray(histogram), at, axis=-1)
    start = np.take_along_axis(below, at, axis=-1) - inside
    share = (wanted - start) / np.maximum(inside, 1)
    seconds = LEAST * np.exp2((at + share) / PER_DOUBLING)
    return np.asarray(np.where(total > 0, seconds, np.nan)[..., 0])
