"""Two discretizers, compared as functions: exactly over all floats, and over recorded traffic.

Both are reduced to steps of integer keys (`deepbird_v2.discretizers.order`). Between the cuts of
either nothing changes, so comparing one range after another covers every float64 there is. Probes
on and beside every boundary then ask both through `apply`, which the reduction has no part in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepbird_v2.discretizers.order import INFINITY_KEY, from_key, order_key
from deepbird_v2.discretizers.state import NO_PARENT, Discretizer
from deepbird_v2.discretizers.table import Table

__all__ = ["SPECIAL", "FeatureDiff", "Psi", "Range", "compare_feature", "parents_of", "psi"]

Array = np.ndarray[Any, Any]

SPECIAL = {
    "NaN": np.nan,
    "+Inf": np.inf,
    "-Inf": -np.inf,
    "+0": 0.0,
    "-0": -0.0,
    "smallest denormal": 5e-324,
    "-smallest denormal": -5e-324,
    "largest": np.finfo(np.float64).max,
    "-largest": -np.finfo(np.float64).max,
}
# Added to the count of every bin, so that an empty one is neither skipped nor infinite.
PSI_SMOOTHING = 0.5
PERMUTATIONS = 200


@dataclass(frozen=True, slots=True)
class Range:
    """Values from `low` to `high`, both included, whose id differs; `recorded` ones are traffic."""

    low: float
    high: float
    old: int
    new: int
    recorded: int = 0

    def __str__(self) -> str:
        here = repr(self.low) if self.low == self.high else f"{self.low!r} to {self.high!r}"
        return f"{here}: id {self.old} → {self.new}"


@dataclass(frozen=True, slots=True)
class Psi:
    """Population stability index over ids, with all that is needed to recompute it.

    Attributes:
        value: the index.
        baseline: its 99th percentile between random halves of both sides pooled.
        n: values on each side.
        bins: number of ids.
        smoothing: added to every count.
    """

    value: float
    baseline: float
    n: int
    bins: int
    smoothing: float = PSI_SMOOTHING


@dataclass(frozen=True, eq=False)
class FeatureDiff:
    """One feature that both discretize.

    Attributes:
        name: how to call it.
        ranges: where ids differ, in order of values.
        split: number of ranges that have the id of a bin split from the old one.
        special: names of the special values whose id differs.
        probes: values asked on and beside the boundaries.
        probes_moved: those whose id differs.
        traffic: recorded values.
        traffic_moved: those whose id differs.
        matrix: int64[ids, ids] old against new, by the rank of ids among all that the feature has
            in either state; of the traffic, or else of the probes.
        psi: of the traffic's ids; None without traffic.
    """

    name: str
    ranges: tuple[Range, ...]
    split: int
    special: tuple[str, ...]
    probes: int
    probes_moved: int
    traffic: int
    traffic_moved: int
    matrix: Array
    psi: Psi | None

    @property
    def same(self) -> bool:
        """Whether every value keeps its id, or has one of a bin split from it."""
        return not (self.ranges or self.special or self.probes_moved or self.traffic_moved)


def parents_of(old: Discretizer, new: Discretizer) -> dict[int, int]:
    """Id of a bin that was split off since the old state → id of the bin that it was split from.

    An id that the old state had already given to a bin means that bin, whatever the new state says
    of its descent.
    """
    taken = {i for bins in old.features for i in bins.ids.tolist()}
    return {
        own: parent
        for bins in new.features
        for own, parent in zip(bins.ids.tolist(), bins.parents.tolist(), strict=True)
        if parent != NO_PARENT and own not in taken
    }


def compare_feature(
    old: Discretizer,
    new: Discretizer,
    feature: int,
    traffic: Array,
    parents: Mapping[int, int],
) -> FeatureDiff:
    """Compare what two states make of one feature that both have.

    Args:
        old: the state that counts.
        new: the state in question.
        feature: its id.
        traffic: float64[n], recorded values of it.
        parents: see `parents_of`.
    """
    ranges = _ranges(old.table, new.table, feature, traffic)
    moved = [r for r in ranges if not _descends(r.new, r.old, parents)]
    bins = [s.by_id[feature] for s in (old, new)]
    edges = np.concatenate([b.edges for b in bins])
    # On the wire values are doubles; a state that rounds them has boundaries between its edges.
    cuts = [from_key(_cuts(s.table, feature)) for s in (old, new)]
    key = order_key(np.concatenate([edges, *cuts]))
    near = np.unique(key[:, np.newaxis] + np.array([-1, 0, 1]))
    probes = from_key(near[np.abs(near) <= INFINITY_KEY])
    specials = np.array(list(SPECIAL.values()))
    differ = _differ(old, new, feature, specials, parents)
    counted = traffic if len(traffic) else probes
    return FeatureDiff(
        name=str(bins[1] if bins[1].name else bins[0]),
        ranges=tuple(moved),
        split=len(ranges) - len(moved),
        special=tuple(n for n, d in zip(SPECIAL, differ, strict=True) if d),
        probes=len(probes),
        probes_moved=int(_differ(old, new, feature, probes, parents).sum()),
        traffic=len(traffic),
        traffic_moved=int(_differ(old, new, feature, traffic, parents).sum()),
        matrix=_matrix(old, new, feature, counted),
        psi=_traffic_psi(old, new, feature, traffic) if len(traffic) else None,
    )


def _row(table: Table, feature: int) -> int:
    return int(np.searchsorted(table.features, feature))


def _cuts(table: Table, feature: int) -> Array:
    row = _row(table, feature)
    return table.cuts[table.splits[row] : table.splits[row + 1]]


def _steps(table: Table, feature: int) -> Array:
    row = _row(table, feature)
    return table.ids[table.splits[row] + row : table.splits[row + 1] + row + 1]


def _ranges(old: Table, new: Table, feature: int, traffic: Array) -> list[Range]:
    """Every range of values whose id differs; neighbours with equal ids are one range."""
    old_cuts, new_cuts = _cuts(old, feature), _cuts(new, feature)
    starts = np.union1d(np.append(old_cuts, -INFINITY_KEY), new_cuts)
    old_ids = _steps(old, feature)[np.searchsorted(old_cuts, starts, side="right")]
    new_ids = _steps(new, feature)[np.searchsorted(new_cuts, starts, side="right")]
    ends = np.append(starts[1:], INFINITY_KEY + 1) - 1
    seen = np.sort(order_key(traffic[~np.isnan(traffic)]))
    recorded = np.searchsorted(seen, ends, side="right") - np.searchsorted(seen, starts)
    columns = from_key(starts), from_key(ends), old_ids, new_ids, recorded
    rows = zip(*(column[old_ids != new_ids].tolist() for column in columns), strict=True)
    return [Range(*row) for row in rows]


def _descends(new: int, old: int, parents: Mapping[int, int]) -> bool:
    """Whether a bin was split from an old one, over any number of calibrations."""
    for _ in range(len(parents)):
        if new not in parents:
            return False
        new = parents[new]
        if new == old:
            return True
    return False


def _differ(
    old: Discretizer, new: Discretizer, feature: int, values: Array, parents: Mapping[int, int]
) -> Array:
    keys = np.full(len(values), feature, np.int64)
    before, after = old.apply(keys, values)[0], new.apply(keys, values)[0]
    differ = before != after
    for pair in {(int(b), int(a)) for b, a in zip(before[differ], after[differ], strict=True)}:
        if _descends(pair[1], pair[0], parents):
            differ &= ~((before == pair[0]) & (after == pair[1]))
    return differ


def _ids(
    old: Discretizer, new: Discretizer, feature: int, values: Array
) -> tuple[Array, Array, Array]:
    """(all ids of the feature ascending, [n] rank of each value's old id, [n] of its new id)."""
    keys = np.full(len(values), feature, np.int64)
    every = np.union1d(old.by_id[feature].ids, new.by_id[feature].ids)
    before, after = (np.searchsorted(every, s.apply(keys, values)[0]) for s in (old, new))
    return every, before, after


def _matrix(old: Discretizer, new: Discretizer, feature: int, values: Array) -> Array:
    every, before, after = _ids(old, new, feature, values)
    matrix = np.zeros((len(every), len(every)), np.int64)
    np.add.at(matrix, (before, after), 1)
    return matrix


def _traffic_psi(old: Discretizer, new: Discretizer, feature: int, values: Array) -> Psi:
    every, before, after = _ids(old, new, feature, values)
    n = len(every)
    return psi(np.bincount(before, minlength=n), np.bincount(after, minlength=n))


def psi(old: Array, new: Array, seed: int = 0) -> Psi:
    """Population stability index of two rows of counts, beside what chance makes of them.

    Args:
        old: int64[bins].
        new: int64[bins].
        seed: of the permutations.
    """
    rng = np.random.default_rng(seed)
    pooled = old + new
    n = int(old.sum())
    drawn = rng.multivariate_hypergeometric(pooled, n, PERMUTATIONS, method="marginals")
    chance = _index(drawn, pooled - drawn)
    value = float(_index(old[np.newaxis], new[np.newaxis])[0])
    return Psi(value, float(np.quantile(chance, 0.99)), n, len(old))


def _index(old: Array, new: Array) -> Array:
    p, q = (
        (c + PSI_SMOOTHING) / (c + PSI_SMOOTHING).sum(axis=1, keepdims=True) for c in (old, new)
    )
    index: Array = ((q - p) * np.log(q / p)).sum(axis=1)
    return index
