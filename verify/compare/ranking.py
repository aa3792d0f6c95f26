"""Order: does v2 rank what v1 ranks, over everything and within each request.

Pairs are counted in O(n log n) for all groups at once. A pair that changed order counts as a *real*
flip only when it still does after every score within the tolerance is set back to v1's; the rest
are flips inside the noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verify.compare.values import Array, Floats, Mask

Ints = NDArray[np.int64]

# Orders that differ only locally, by so many places at most, are compared place by place.
NEAR = 128


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well the orders agree, an entry a group; NaN where a figure is undefined.

    Attributes:
        size: Rows of the group.
        kendall_tau: Tau-b in [-1, 1]; undefined if either side has only one distinct value.
        weighted_tau: Tau with weight 1/(1 + rank by v1) on both items of a pair, so that the top
            counts most.
        topk_overlap: Share in common of the k best, ties at the edge included on both sides.
        flips: Pairs in strictly opposite order.
        real_flips: Those that the tolerance does not explain.
    """

    size: Ints
    kendall_tau: Floats
    weighted_tau: Floats
    topk_overlap: Floats
    flips: Ints
    real_flips: Ints


def rank(v1: Array, v2: Array, within: Mask, groups: Ints | None = None, k: int = 10) -> Ranking:
    """Compare the order of two score vectors.

    Args:
        v1: Scores [rows], finite.
        v2: Scores [rows], finite.
        within: True where v2 is inside the tolerance of v1, [rows].
        groups: Group number of each row, from 0 without gaps; None for one group.
        k: Size of the top.

    Returns:
        The figures of each group.
    """
    group = np.zeros(len(v1), np.int64) if groups is None else groups
    size = np.bincount(group)
    first, second = _levels(group, v1), _levels(group, v2)
    weight = 1.0 / (1.0 + _place_from_top(first, size))
    pairs = size * (size - 1) // 2
    flips, flip_weight, both, weight_both = _opposite(group, first, second, weight)
    real = np.zeros_like(flips)
    if not within.all():
        real, *_ = _opposite(group, first, _levels(group, np.where(within, v1, v2)), weight)
    ties1, weight1 = _ties(first, weight, len(size))
    ties2, weight2 = _ties(second, weight, len(size))
    # every pair carries the sum of its items' weights
    total_weight = (size - 1) * np.bincount(group, weight)
    return Ranking(
        size=size,
        kendall_tau=_tau(pairs, ties1, ties2, both, flips),
        weighted_tau=_tau(total_weight, weight1, weight2, weight_both, flip_weight),
        topk_overlap=_topk_overlap(group, first, second, size, k),
        flips=flips,
        real_flips=real,
    )


@dataclass(frozen=True, slots=True)
class _Levels:
    """Distinct scores of all groups, numbered in ascending order of group, then score.

    Attributes:
        of_row: Level of each row.
        size: Rows at each level.
        group: Group of each level.
    """

    of_row: Ints
    size: Ints
    group: Ints


def _levels(group: Ints, scores: Array) -> _Levels:
    order = np.argsort(scores)
    of_row = np.empty(len(scores), np.int64)
    of_row[order] = _runs(scores[order])
    if group.any():
        key = group * len(scores) + of_row
        order = np.argsort(key)
        of_row[order] = _runs(key[order])
    size = np.bincount(of_row)
    owner = np.zeros(len(size), np.int64)
    owner[of_row] = group
    return _Levels(of_row, size, owner)


def ndcg(scores: Array, gains: Array, groups: Ints | None = None, k: int = 10) -> Floats:
    """Return NDCG at k of each group; NaN for a group whose gains are all zero.

    Args:
        scores: Scores [rows]; the highest stands first. Rows of equal score share the mean of
            their gains, so that the result does not depend on the order of the file.
        gains: Labels [rows], not negative.
        groups: Group number of each row, from 0 without gaps; None for one group.
        k: Places that count.
    """
    group = np.zeros(len(scores), np.int64) if groups is None else groups
    discount = _discounts(group, k)
    order = np.lexsort((-scores.astype(np.float64), group))
    run = _runs(group[order], scores[order])
    mean_gain = (np.bincount(run, gains[order]) / np.bincount(run))[run]
    ideal_order = np.lexsort((-gains, group))
    dcg = np.bincount(group[order], mean_gain * discount)
    ideal = np.bincount(group[ideal_order], gains[ideal_order] * discount)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(ideal > 0, dcg / ideal, np.nan)


def _discounts(group: Ints, k: int) -> Floats:
    ordered = np.sort(group, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(group))))[:-1]
    place = np.arange(len(group)) - starts[ordered]
    return np.where(place < k, 1.0 / np.log2(place + 2.0), 0.0)


def _tau(pairs: Array, ties1: Array, ties2: Array, both: Array, opposite: Array) -> Floats:
    concordant_less_opposite = pairs - ties1 - ties2 + both - 2.0 * opposite
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt((pairs - ties1).astype(np.float64)) * np.sqrt(
            (pairs - ties2).astype(np.float64)
        )
        # differences of equal sums of weights leave roundings where there is no spread
        defined = spread > 1e-9 * np.maximum(pairs, 1.0)
        return np.where(defined, np.clip(concordant_less_opposite / spread, -1, 1), np.nan)


def _ties(levels: _Levels, weight: Floats, groups: int) -> tuple[Ints, Floats]:
    """Count tied pairs a group, and sum their weights."""
    mass = np.bincount(levels.of_row, weight)
    pairs = np.bincount(levels.group, levels.size * (levels.size - 1) // 2, groups)
    weights = np.bincount(levels.group, (levels.size - 1.0) * mass, groups)
    return pairs.astype(np.int64), weights.astype(np.float64)


def _runs(*keys: Array) -> Ints:
    """Number the runs of equal neighbours from 0."""
    change = np.zeros(len(keys[0]), np.bool_)
    for key in keys:
        change[1:] |= key[1:] != key[:-1]
    return np.cumsum(change)


def _place_from_top(levels: _Levels, size: Ints) -> Floats:
    """Return each row's place in its group, 0 for the highest; ties share their mean place."""
    above = np.cumsum(size)[levels.group] - np.cumsum(levels.size)
    return np.asarray((above + (levels.size - 1) / 2.0)[levels.of_row], np.float64)


def _opposite(
    group: Ints, first: _Levels, second: _Levels, weight: Floats
) -> tuple[Ints, Floats, Ints, Floats]:
    """Count pairs a group in strictly opposite order, and those tied on both sides.

    Rows are put in v1's order (ties in v2's), and v2's ranks in it (ties in that order) become a
    permutation whose inversions are exactly the opposite pairs.

    Returns:
        Opposite pairs and their weights, pairs tied on both sides and their weights.
    """
    rows, groups = len(group), int(group.max()) + 1
    key = first.of_row * len(second.size) + second.of_row
    order = np.argsort(key)
    run = _runs(key[order])
    size = np.bincount(run)
    owner = np.zeros(len(size), np.int64)
    owner[run] = group[order]
    tied = _ties(_Levels(run, size, owner), weight[order], groups)
    ranks = np.empty(rows, np.int32)
    ranks[np.argsort(second.of_row[order] * rows + np.arange(rows))] = np.arange(rows)
    return *_inversions(ranks, weight[order], group[order].astype(np.int32)), *tied


def _inversions(ranks: Array, weight: Floats, owner: Array) -> tuple[Ints, Floats]:
    """Count the inversions of a permutation a group, and sum their weights."""
    groups = int(owner.max()) + 1
    position = np.arange(len(ranks), dtype=np.int32)
    reach = 2 * int(np.abs(ranks - position).max(initial=0))
    if reach > NEAR:
        return _far_inversions(ranks, weight, owner, groups)
    # a row that all others pass by on their own side takes part in no inversion
    ends = np.maximum.accumulate(ranks) == position
    alone = ends & np.concatenate(([True], ends[:-1]))
    left = np.flatnonzero(~alone)
    return _near_inversions(ranks[left], weight[left], owner[left], groups, reach)


def _near_inversions(
    ranks: Array, weight: Floats, owner: Array, groups: int, reach: int
) -> tuple[Ints, Floats]:
    """Compare every row with the `reach` rows behind it: none further behind can be before it."""
    count, mass = np.zeros(groups, np.int64), np.zeros(groups)
    for distance in range(1, reach + 1):
        first = np.flatnonzero(ranks[:-distance] > ranks[distance:])
        if first.size:
            own = owner[first]
            count += np.bincount(own, minlength=groups)
            mass += np.bincount(own, weight[first] + weight[first + distance], groups)
    return count, mass


def _far_inversions(ranks: Array, weight: Floats, owner: Array, groups: int) -> tuple[Ints, Floats]:
    """Bit by bit from the top: among ranks that agree above, each 1 before a 0 is an inversion."""
    count, mass = np.zeros(groups, np.int64), np.zeros(groups)
    position = np.arange(len(ranks), dtype=np.int32)
    for bit in reversed(range((len(ranks) - 1).bit_length())):
        one = (ranks >> bit & 1).astype(np.bool_)
        # the ranks are a permutation, so that the values of a block are its positions, too
        start = ranks >> (bit + 1) << (bit + 1)
        ones_before = _sum_before(one, np.int32)
        mass_before = _sum_before(np.where(one, weight, 0.0), np.float64)
        ones_here = ones_before - ones_before[start]
        zero = np.flatnonzero(~one)
        hits, block = ones_here[zero], start[zero]
        count += _per_group(owner[zero], hits, groups).astype(np.int64)
        masses = mass_before[zero] - mass_before[block] + hits * weight[zero]
        mass += _per_group(owner[zero], masses, groups)
        # zeros of a block move before its ones, both in their order
        target = np.where(one, start + (1 << bit) + ones_here, position - ones_here)
        ranks, weight = _moved(ranks, target), _moved(weight, target)
        if groups > 1:
            owner = _moved(owner, target)
    return count, mass


def _sum_before(values: Array, dtype: Any) -> Array:
    total = np.cumsum(values, dtype=dtype)
    return np.asarray(total - values)


def _per_group(owner: Array, values: Array, groups: int) -> Array:
    if groups == 1:
        return np.asarray([values.sum(dtype=np.float64)])
    return np.bincount(owner, values, groups)


def _moved(values: Array, target: Array) -> Array:
    out = np.empty_like(values)
    out[target] = values
    return out


def _topk_overlap(group: Ints, first: _Levels, second: _Levels, size: Ints, k: int) -> Floats:
    top1, top2 = _top(first, size, k), _top(second, size, k)
    common = np.bincount(group, top1 & top2)
    return np.asarray(common / np.maximum(np.bincount(group, top1), np.bincount(group, top2)))


def _top(levels: _Levels, size: Ints, k: int) -> Mask:
    """Mark the k highest of each group and everything tied with the last of them."""
    above = np.cumsum(size)[levels.group] - np.cumsum(levels.size)
    return np.asarray((above < k)[levels.of_row])
