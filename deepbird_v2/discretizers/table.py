"""Applying a discretizer: look up the key's row, then count the cuts at or below the value.

The table holds integers alone (see `deepbird_v2.discretizers.order`). NumPy, the compiled core and
the Keras layer all work on this table, so they give the same ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from deepbird_v2.discretizers.native import core
from deepbird_v2.discretizers.order import order_key
from deepbird_v2.discretizers.search import step_function
from deepbird_v2.discretizers.state import Discretizer, UnknownRule

if TYPE_CHECKING:
    from deepbird_v2.discretizers.state import Unknown

__all__ = ["Table", "compile_table", "unknown_ids"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Table:
    """F active features as columns.

    Attributes:
        features: int64[F] ascending.
        splits: int64[F + 1]; the cuts of row f are ``cuts[splits[f]:splits[f + 1]]``.
        cuts: int64[C] order keys, strictly ascending in a row.
        bins: int64[C + F]; the steps of row f start at ``splits[f] + f``, one more than its cuts.
        ids: int64[C + F], the id of each step.
        nan_bins: int64[F].
        nan_ids: int64[F].
        unknown: the rule for other keys.
    """

    features: Array
    splits: Array
    cuts: Array
    bins: Array
    ids: Array
    nan_bins: Array
    nan_ids: Array
    unknown: Unknown

    def rows(self, keys: Array) -> tuple[Array, Array]:
        """(int64[n] row of each key, bool[n] whether it has one)."""
        if not len(self.features):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.bool_)
        row = np.searchsorted(self.features, keys)
        row = np.minimum(row, len(self.features) - 1)
        return row, self.features[row] == keys

    def step(self, rows: Array, values: Array) -> Array:
        """Index into `bins` and `ids` for each value; any step of the row for NaN.

        Args:
            rows: int64[n].
            values: [n].
        """
        keys = order_key(values)
        low, high = self.splits[rows], self.splits[rows + 1]
        for _ in range(self._rounds):
            middle = (low + high) >> 1
            right = (low < high) & (self.cuts[np.minimum(middle, len(self.cuts) - 1)] <= keys)
            low, high = np.where(right, middle + 1, low), np.where(right, high, middle)
        return low + rows

    @cached_property
    def _rounds(self) -> int:
        return int(np.diff(self.splits).max(initial=0)).bit_length()

    def bin_of(self, rows: Array, values: Array) -> Array:
        """int64[n], the bin of each value."""
        return np.where(np.isnan(values), self.nan_bins[rows], self.bins[self.step(rows, values)])

    def id_of(self, rows: Array, values: Array) -> Array:
        """int64[n], the id of each value's bin."""
        return np.where(np.isnan(values), self.nan_ids[rows], self.ids[self.step(rows, values)])

    def apply(self, keys: Array, values: Array) -> tuple[Array, Array]:
        """See `Discretizer.apply`."""
        keys = np.ascontiguousarray(keys, np.int64)
        values = np.ascontiguousarray(values, np.float64)
        if keys.shape != values.shape or keys.ndim != 1:
            raise ValueError(f"expected keys [n] and values [n], got {keys.shape}, {values.shape}")
        native = core()
        if native is not None:
            return self._native(native, keys, values)
        row, known = self.rows(keys)
        out = unknown_ids(keys, self.unknown)
        with np.errstate(over="ignore", invalid="ignore"):
            kept = values.astype(np.float32)
        if known.any():
            out[known] = self.id_of(row[known], values[known])
            kept[known] = 1.0
        return out, kept

    def _native(self, native: Any, keys: Array, values: Array) -> tuple[Array, Array]:
        rule = tuple(UnknownRule).index(self.unknown.rule)
        other = (rule, self.unknown.first, self.unknown.stop)
        ids, kept = native.apply(self._prepared(native), keys, values, *other)
        return ids, kept

    def _prepared(self, native: Any) -> Any:
        if "_index" not in self.__dict__:
            index = native.Index(self.features, self.splits, self.cuts, self.ids, self.nan_ids)
            self.__dict__["_index"] = index
        return self.__dict__["_index"]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_index"}


def unknown_ids(keys: Array, unknown: Unknown) -> Array:
    """int64[n]: where keys go that have no bins."""
    keys = np.ascontiguousarray(keys, np.int64)
    room = unknown.room
    match unknown.rule:
        case UnknownRule.MODULO:
            return (keys.view(np.uint64) % np.uint64(room)).astype(np.int64) + unknown.first
        case UnknownRule.FLOOR_MODULO:
            return keys % np.int64(room) + unknown.first
        case UnknownRule.MASK:
            return keys & np.int64(unknown.stop - 1)


def compile_table(state: Discretizer) -> Table:
    """Reduce a state to its table."""
    active = list(state.active)
    steps = [step_function(b.edges, state.search, float32=state.float32) for b in active]
    sizes = np.array([len(s.cuts) for s in steps], np.int64)
    nan_bins = np.array(
        [len(b.ids) - 1 if state.nan_bin else state.search.nan_bin(len(b.ids)) for b in active],
        np.int64,
    )
    return Table(
        features=np.array([b.feature for b in active], np.int64),
        splits=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        cuts=_joined([s.cuts for s in steps]),
        bins=_joined([s.bins for s in steps]),
        ids=_joined([b.ids[s.bins] for b, s in zip(active, steps, strict=True)]),
        nan_bins=nan_bins,
        nan_ids=np.array([b.ids[n] for b, n in zip(active, nan_bins, strict=True)], np.int64),
        unknown=state.unknown,
    )


def _joined(parts: list[Array]) -> Array:
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)
