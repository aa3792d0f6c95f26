"""From the pieces that records were read into to the columns of a batch, in one NumPy pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from deepbird_v2.data._jhash import jhash_many

_DISCRETE_FACTOR: Final = np.int64(2654435761)
_CONTINUOUS: Final = np.dtype([("id", ">i8"), ("v", ">f8")])
_DISCRETE: Final = np.dtype([("id", ">i8"), ("v", ">i8")])
# row_splits, key, value, field, kind, labels, weights: see Batch.
Columns = tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.int64],
    NDArray[np.uint8],
    NDArray[np.float32],
    NDArray[np.float32],
]


@dataclass(frozen=True)
class Plan:
    """What to keep of a record: the core's view of a FeatureConfig."""

    keep: NDArray[np.int64] | None  # None keeps every id that is no label and no weight
    labels: NDArray[np.int64]  # column = position
    weights: NDArray[np.int64]
    name_only: bool  # sparse continuous keys come from the value's name alone
    drop_nan: bool
    kept: frozenset[int] | None = field(init=False)

    def __post_init__(self) -> None:
        kept = None if self.keep is None else frozenset(self.keep.tolist())
        object.__setattr__(self, "kept", kept)


@dataclass
class Parts:
    """Pieces of columns, in wire order."""

    chunk_kind: list[int] = field(default_factory=list)
    chunk_size: list[int] = field(default_factory=list)
    chunk_row: list[int] = field(default_factory=list)
    fixed: dict[int, list[bytes | memoryview]] = field(
        default_factory=lambda: {kind: [] for kind in (1, 2, 3)}
    )
    ids: list[bytes] = field(default_factory=list)  # of kinds 4, 5, 6, as on the wire
    texts: list[bytes] = field(default_factory=list)  # to hash, of kinds 4, 5, 6
    names: list[int] = field(default_factory=list)  # kind 6 hashed by name alone: key
    doubles: list[bytes] = field(default_factory=list)  # of kind 6, as on the wire

    def lists(self) -> list[list[Any]]:
        """Every list, in a fixed order."""
        chunks = [self.chunk_kind, self.chunk_size, self.chunk_row]
        return [*chunks, *self.fixed.values(), self.ids, self.texts, self.names, self.doubles]

    def mark(self) -> list[int]:
        """The present lengths."""
        return [len(part) for part in self.lists()]

    def rewind(self, mark: list[int]) -> None:
        """Forget everything added since `mark`."""
        for part, size in zip(self.lists(), mark, strict=True):
            del part[size:]

    def add(self, kind: int, size: int, row: int) -> None:
        """Note that `size` features of one kind follow."""
        if size:
            self.chunk_kind.append(kind)
            self.chunk_size.append(size)
            self.chunk_row.append(row)

    def extend(self, other: Parts, row: int) -> None:
        """Repeat the parts of another record in this row."""
        for mine, theirs in zip(self.lists(), other.lists(), strict=True):
            mine.extend(theirs)
        self.chunk_row[len(self.chunk_row) - len(other.chunk_row) :] = [row] * len(other.chunk_row)


def to_columns(parts: Parts, rows: int, plan: Plan) -> Columns:
    """Assemble the columns of `rows` records."""
    kind, row, ids, key, value = _features(parts, plan)
    label = _position(ids, plan.labels)
    weight = _position(ids, plan.weights)
    keep = (label < 0) & (weight < 0) if plan.keep is None else _position(ids, plan.keep) >= 0
    labels = np.full((rows, len(plan.labels)), np.nan, np.float32)
    weights = np.zeros((rows, len(plan.weights)), np.float32)
    is_label = ~keep & (label >= 0) & (kind <= 2)
    is_weight = ~keep & (label < 0) & (weight >= 0) & (kind == 2)
    with np.errstate(over="ignore"):
        labels[row[is_label], label[is_label]] = value[is_label]
        weights[row[is_weight], weight[is_weight]] = value[is_weight]
    if plan.drop_nan:
        keep &= ~np.isnan(value)
    splits = np.zeros(rows + 1, np.int64)
    np.cumsum(np.bincount(row[keep], minlength=rows), out=splits[1:])
    return splits, key[keep], value[keep], ids[keep], kind[keep], labels, weights


def _features(
    parts: Parts, plan: Plan
) -> tuple[
    NDArray[np.uint8],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
]:
    """Kind, row, id, key and value of everything read, in wire order."""
    sizes = np.array(parts.chunk_size, np.int64)
    kind = np.repeat(np.array(parts.chunk_kind, np.uint8), sizes)
    row = np.repeat(np.array(parts.chunk_row, np.int64), sizes)
    ids = np.empty(len(kind), np.int64)
    mix = np.zeros(len(kind), np.int64)
    value = np.ones(len(kind), np.float64)
    of_kind = [np.flatnonzero(kind == k) for k in range(7)]
    hashed = np.flatnonzero(kind > 3)

    continuous = np.frombuffer(b"".join(parts.fixed[2]), _CONTINUOUS)
    discrete = np.frombuffer(b"".join(parts.fixed[3]), _DISCRETE)
    ids[of_kind[1]] = np.frombuffer(b"".join(parts.fixed[1]), ">i8")
    ids[of_kind[2]] = continuous["id"]
    ids[of_kind[3]] = discrete["id"]
    ids[hashed] = np.frombuffer(b"".join(parts.ids), ">i8")
    value[of_kind[2]] = continuous["v"]
    value[of_kind[6]] = np.frombuffer(b"".join(parts.doubles), ">f8")
    mix[of_kind[3]] = (discrete["v"].astype(np.int64) + 17) * _DISCRETE_FACTOR
    if plan.name_only:
        mix[np.flatnonzero((kind == 4) | (kind == 5))] = jhash_many(parts.texts)
        mix[of_kind[6]] = ids[of_kind[6]] ^ np.array(parts.names, np.int64)
    else:
        mix[hashed] = jhash_many(parts.texts)
    return kind, row, ids, ids ^ mix, value


def _position(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of each id in `wanted`, -1 where it is absent."""
    if not len(wanted):
        return np.full(len(ids), -1, np.int64)
    order = np.argsort(wanted, kind="stable")
    at = np.minimum(np.searchsorted(wanted[order], ids), len(wanted) - 1)
    found = order[at]
    return np.where(wanted[found] == ids, found, -1)
