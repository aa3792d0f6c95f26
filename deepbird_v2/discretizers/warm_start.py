"""Old weights under new ids, by what a row means: a feature and a range of its values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepbird_v2.discretizers.errors import StateError
from deepbird_v2.discretizers.order import INFINITY_KEY
from deepbird_v2.discretizers.state import Discretizer
from deepbird_v2.discretizers.table import Table

__all__ = ["RowMap", "map_rows", "warm_start"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class RowMap:
    """Which old row each new id's row comes from.

    Attributes:
        new: int64[n] new ids of bins that take a row over.
        old: int64[n] the id of that row in the old weights.
        split: bool[n], the old bin is wider than the new one.
        fresh: int64 new ids of bins that no single old bin covers: of new features, and of bins
            that would join several old ones.
        dead: int64 old ids of bins that no row comes from.
        others: other keys go where they went, so their rows are taken over, too.
    """

    new: Array
    old: Array
    split: Array
    fresh: Array
    dead: Array
    others: bool

    @property
    def counts(self) -> dict[str, int]:
        """Number of rows kept, split, new and dead."""
        return {
            "kept": int((~self.split).sum()),
            "split": int(self.split.sum()),
            "new": len(self.fresh),
            "dead": len(self.dead),
        }


def map_rows(old: Discretizer, new: Discretizer) -> RowMap:
    """Find the old row that means what each new row means.

    A new bin takes the row of the old bin that holds all of its values. Features are found by id,
    bins by their ranges of values; what rows are numbered does not matter. Retired features count
    like any other, so that their rows are there when they come back.
    """
    unknown = old.unknown == new.unknown
    old, new = old.revived, new.revived
    found = [_pairs(old.table, new.table, *rows) for rows in _common(old.table, new.table)]
    pairs = np.concatenate([p for p, _ in found]) if found else np.zeros((0, 2), np.int64)
    wider = np.concatenate([w for _, w in found]) if found else np.zeros(0, np.bool_)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs, wider = pairs[order], wider[order]
    starts = np.flatnonzero(np.append(True, pairs[1:, 0] != pairs[:-1, 0])[: len(pairs)])
    stops = np.append(starts[1:], len(pairs))[: len(starts)]
    first, last = pairs[starts], pairs[stops - 1]
    clear = first[:, 1] == last[:, 1]
    split = np.logical_or.reduceat(wider, starts) if len(starts) else wider
    taken = first[clear]
    every_new = np.union1d(new.table.ids, new.table.nan_ids)
    every_old = np.union1d(old.table.ids, old.table.nan_ids)
    return RowMap(
        new=taken[:, 0],
        old=taken[:, 1],
        split=split[clear],
        fresh=np.setdiff1d(every_new, taken[:, 0]),
        dead=np.setdiff1d(every_old, taken[:, 1]),
        others=unknown,
    )


def warm_start(
    old: Discretizer, new: Discretizer, weights: Array, initial: Array | float = 0.0
) -> tuple[Array, RowMap]:
    """Weights of a first layer for a new state.

    For every input whose features the old state knows, the layer gives bit for bit what it gave:
    the rows that are summed are the same. That holds for other keys as well, unless the two
    states move them differently or a key became a feature.

    Args:
        old: the state that the weights were trained with.
        new: the state to go on with.
        weights: [2**old.output_bits, units].
        initial: value of the rows that mean something new; a number, or a row [units].

    Returns:
        (weights [2**new.output_bits, units] in the same type, and where they came from).

    Raises:
        StateError: the weights are not the old state's.
    """
    weights = np.asarray(weights)
    if weights.ndim != 2 or len(weights) != old.width:
        raise StateError(
            f"weights {weights.shape} are not of a state with {old.width} ids, fingerprint "
            f"{old.fingerprint[:12]}"
        )
    rows = map_rows(old, new)
    warmed = np.empty((new.width, weights.shape[1]), weights.dtype)
    warmed[:] = initial
    if rows.others:
        span = slice(old.unknown.first, old.unknown.stop)
        warmed[span] = weights[span]
        warmed[rows.fresh] = initial
    warmed[rows.new] = weights[rows.old]
    return warmed, rows


def _common(old: Table, new: Table) -> Iterator[tuple[int, int]]:
    """Rows of the features that both have."""
    _, a, b = np.intersect1d(old.features, new.features, assume_unique=True, return_indices=True)
    return zip(a.tolist(), b.tolist(), strict=True)


def _pairs(old: Table, new: Table, a: int, b: int) -> tuple[Array, Array]:
    """([n, 2] new id and old id that share values of a feature, [n] the old bin is wider)."""
    old_cuts = old.cuts[old.splits[a] : old.splits[a + 1]]
    new_cuts = new.cuts[new.splits[b] : new.splits[b + 1]]
    old_ids = old.ids[old.splits[a] + a : old.splits[a + 1] + a + 1]
    new_ids = new.ids[new.splits[b] + b : new.splits[b + 1] + b + 1]
    # The common refinement of both: on each of its ranges both are constant.
    starts = np.union1d(np.append(old_cuts, -INFINITY_KEY), new_cuts)
    in_old = np.searchsorted(old_cuts, starts, side="right")
    in_new = np.searchsorted(new_cuts, starts, side="right")
    ends = np.append(starts[1:], INFINITY_KEY + 1)
    old_starts = np.append(-INFINITY_KEY, old_cuts)[in_old]
    old_ends = np.append(old_cuts, INFINITY_KEY + 1)[in_old]
    wider = (old_starts < starts) | (old_ends > ends)
    pairs = np.stack([new_ids[in_new], old_ids[in_old]], axis=1)
    missing = [[new.nan_ids[b], old.nan_ids[a]]]
    return np.concatenate([pairs, missing]), np.append(wider, False)
