"""From a sketch to edges: bins of equal weight, or the bins that tell most about a label.

Edges are those of the rule ``[a,b)``: each is the smallest value of the bin that it opens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deepbird_v2.discretizers.order import from_key
from deepbird_v2.discretizers.sketch import WEIGHT_UNITS, Sketch

__all__ = ["METHODS", "bin_weights", "float32_edges", "mdl_edges", "percentile_edges"]

Array = np.ndarray[Any, Any]
EdgesOf = Callable[[Sketch, int], Array]

# Decimals of entropies that count.
_DIGITS = 12


def percentile_edges(sketch: Sketch, n_bin: int) -> Array:
    """Edges of up to ``n_bin`` bins of equal weight.

    Edge i is the smallest value that at least i/n_bin of the weight lies below. Equal edges
    are one edge, and no edge stands where nothing lies below it.

    Returns:
        float64[at most n_bin - 1] strictly ascending.
    """
    weights = sketch.weights.sum(axis=1)
    total = int(weights.sum())
    if not total:
        return np.zeros(0)
    below = np.cumsum(weights) - weights
    # Python's integers: the products may need more than 64 bits.
    wanted = np.array([-(-i * total // n_bin) for i in range(1, n_bin)], np.int64)
    at = np.unique(np.searchsorted(below, wanted, side="left"))
    at = at[(at < len(below)) & (at > 0)]
    return from_key(sketch.lows[at])


def mdl_edges(sketch: Sketch, n_bin: int) -> Array:
    """Edges by Fayyad and Irani's minimum description length principle (1993).

    An interval is split where the entropy of the label is least, as long as that says more about
    the label than the split costs to describe:
    ``gain > (log2(N - 1) + log2(3**k - 2) - (k E - k1 E1 - k2 E2)) / N``.

    Args:
        sketch: with weights by class.
        n_bin: most bins; of the splits that pay, those with the greatest gain in bits are made
            first.

    Returns:
        float64[at most n_bin - 1] strictly ascending; empty where the feature says nothing.
    """
    counts = sketch.weights / WEIGHT_UNITS
    intervals = [(0, len(counts))]
    found: list[int] = []
    candidates = [_best_split(counts, *interval) for interval in intervals]
    while len(found) < n_bin - 1 and candidates:
        best = max(range(len(candidates)), key=lambda i: (candidates[i][0], -intervals[i][0]))
        bits, cut = candidates.pop(best)
        start, stop = intervals.pop(best)
        if bits <= 0:
            break
        found.append(cut)
        for interval in ((start, cut), (cut, stop)):
            intervals.append(interval)
            candidates.append(_best_split(counts, *interval))
    return from_key(sketch.lows[np.sort(np.array(found, np.int64))])


def _best_split(counts: Array, start: int, stop: int) -> tuple[float, int]:
    """(bits gained beyond the cost of the split, its place); no gain where none pays."""
    part = counts[start:stop]
    whole = part.sum(axis=0)
    n = float(whole.sum())
    if len(part) < 2 or n <= 1:
        return 0.0, start
    left = np.cumsum(part, axis=0)[:-1]
    right = whole - left
    entropy_left, entropy_right = _entropy(left), _entropy(right)
    n_left = left.sum(axis=1)
    mean = (n_left * entropy_left + (n - n_left) * entropy_right) / n
    # Splits that cost the same differ by rounding: of those, the first one.
    cut = int(np.argmin(np.round(mean, _DIGITS)))
    k, k_left, k_right = (int((c > 0).sum()) for c in (whole, left[cut], right[cut]))
    entropy = float(_entropy(whole[np.newaxis])[0])
    delta = np.log2(3.0**k - 2) - (
        k * entropy - k_left * entropy_left[cut] - k_right * entropy_right[cut]
    )
    bits = float(n * (entropy - mean[cut]) - (np.log2(n - 1) + delta))
    return round(bits, _DIGITS), start + cut + 1


def _entropy(counts: Array) -> Array:
    """Entropy in bits of each row of class weights; 0 for a row without any."""
    total = counts.sum(axis=1, keepdims=True)
    share = counts / np.where(total > 0, total, 1.0)
    return -(share * np.log2(np.where(share > 0, share, 1.0))).sum(axis=1)


def float32_edges(edges: Array) -> Array:
    """Edges for a state that compares in float32: each rounded, equal ones once.

    Args:
        edges: float64[n]; those beyond float32's largest number become infinite, as values do.

    Returns:
        float64[at most n] strictly ascending.
    """
    with np.errstate(over="ignore"):
        return np.unique(edges.astype(np.float32)).astype(np.float64)


def bin_weights(sketch: Sketch, bins: Array, nan_bin: int, n: int) -> Array:
    """Weight in each bin.

    Args:
        sketch: the values.
        bins: int64, the bin of each bucket's smallest value.
        nan_bin: where NaN goes.
        n: number of bins.

    Returns:
        float64[n].
    """
    weights = np.zeros(n, np.int64)
    np.add.at(weights, bins, sketch.weights.sum(axis=1))
    weights[nan_bin] += sketch.missing.sum()
    return weights / WEIGHT_UNITS


METHODS: dict[str, EdgesOf] = {
    "percentile": percentile_edges,
    "hashing": percentile_edges,
    "hashed-percentile": percentile_edges,
    "mdl": mdl_edges,
}
