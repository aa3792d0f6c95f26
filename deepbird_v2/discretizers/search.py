"""The rules by which a value finds its bin, each reduced to one: count the cuts at or below it.

==============  =============================================  =========  =======================
rule            bin of a value                                 bins       NaN unless it has a bin
==============  =============================================  =========  =======================
``[a,b)``       number of edges at or below it                 edges + 1  the last bin
``(a,b]``       number of edges below it                       edges + 1  bin 0
``bisection``   the last edge at or below it; where it equals  edges      bin 0
                an inner edge, that edge or the one before,
                as the published runtime's bisection ends
==============  =============================================  =========  =======================

Whatever the rule, a bin is a range of floats, and a range of floats is a range of integer keys (see
`deepbird_v2.discretizers.order`). `step_function` writes a rule down as such ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from deepbird_v2.discretizers.order import (
    INFINITY_KEY,
    float32_key,
    order_key,
    round_up_to_float64,
)

__all__ = ["Search", "Steps", "bisect", "step_function", "tie_bins"]

Array = np.ndarray[Any, Any]


class Search(StrEnum):
    """How a value finds its bin."""

    LEFT_CLOSED = "[a,b)"
    RIGHT_CLOSED = "(a,b]"
    BISECTION = "bisection"

    def bins(self, edges: int) -> int:
        """Number of bins that so many edges make, without one for NaN."""
        return edges + (self is not Search.BISECTION)

    def nan_bin(self, bins: int) -> int:
        """Where NaN goes when it has no bin of its own."""
        return bins - 1 if self is Search.LEFT_CLOSED else 0


@dataclass(frozen=True, eq=False)
class Steps:
    """A step function of the order key: bin ``bins[count of cuts <= key]``.

    Attributes:
        cuts: int64[n] strictly ascending order keys of float64.
        bins: int64[n + 1]; neighbours differ.
    """

    cuts: Array
    bins: Array


def step_function(edges: Array, search: Search, *, float32: bool = False) -> Steps:
    """Reduce one feature's edges and rule to steps.

    Args:
        edges: float64[n] ascending.
        search: the rule.
        float32: values are rounded to float32 before they are compared, and edges are float32
            numbers.
    """
    key = float32_key(edges) if float32 else order_key(edges)
    last = np.arange(len(edges))
    if search is Search.BISECTION:
        above = np.searchsorted(edges, edges, side="right") - 1
        # A value on an edge, then a value just above it.
        cuts = np.stack([key, key + 1], axis=1).ravel()
        bins = np.stack([tie_bins(edges[np.newaxis])[0], above], axis=1).ravel()
        order = np.argsort(cuts, kind="stable")
        cuts, bins = cuts[order], bins[order]
    else:
        cuts, bins = key + (search is Search.RIGHT_CLOSED), last + 1
    if float32:
        cuts = round_up_to_float64(cuts)
    # Of equal cuts the last one counts; a cut that changes nothing goes.
    counts = np.append(cuts[1:] != cuts[:-1], True) if len(cuts) else np.zeros(0, bool)
    cuts, bins = cuts[counts], bins[counts]
    bins = np.concatenate([[0], bins]).astype(np.int64)
    # No number has a key above infinity's, and none has one below that of -infinity.
    inside = cuts <= INFINITY_KEY
    cuts, bins = cuts[inside], bins[np.append(True, inside)]
    if len(cuts) and cuts[0] <= -INFINITY_KEY:
        cuts, bins = cuts[1:], bins[1:]
    changes = bins[1:] != bins[:-1]
    return Steps(cuts[changes], bins[np.append(True, changes)])


def bisect(edges: Array, value: float) -> int:
    """The published runtime's search, step by step, for one value.

    Args:
        edges: [n] ascending.
        value: anything but NaN, which goes to bin 0.

    Returns:
        Index of the edge at or below the value (0 below the first edge).
    """
    n = len(edges)
    if not value > edges[0]:
        return 0
    if value >= edges[-1]:
        return n - 1
    low, high = 0, n - 1
    while True:
        middle = (low + high) // 2
        if middle < n - 1 and edges[middle] <= value <= edges[middle + 1]:
            return middle
        if value > edges[middle]:
            low = middle
        else:
            high = middle


def tie_bins(edges: Array) -> Array:
    """For each edge of each row, the bin that a value exactly on it falls into.

    It is `bisect` for all edges at once.

    Args:
        edges: [features, n] ascending rows.

    Returns:
        int64[features, n].
    """
    edges = np.asarray(edges)
    n = edges.shape[1]
    low, high = np.zeros(edges.shape, np.int64), np.full(edges.shape, n - 1)
    found = np.where(edges >= edges[:, -1:], n - 1, -1)
    found[~(edges > edges[:, :1])] = 0
    while (found < 0).any():
        middle = (low + high) // 2
        at = np.take_along_axis(edges, middle, axis=1)
        above = np.take_along_axis(edges, np.minimum(middle + 1, n - 1), axis=1)
        here = (at <= edges) & (edges <= above) & (middle < n - 1) & (found < 0)
        found[here] = middle[here]
        right = edges > at
        low, high = np.where(right, middle, low), np.where(right, high, middle)
    return found
