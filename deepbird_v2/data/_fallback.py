"""Decoding in Python and NumPy: the same results and errors as the compiled core, slower.

Records are walked one by one, but ids and values are never touched one by one: whole maps are
collected as bytes, and one NumPy pass a batch turns them into columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from deepbird_v2.data import _lzo1x
from deepbird_v2.data import _tensor_walk as tensors
from deepbird_v2.data import _wire as w
from deepbird_v2.data._jhash import jhash_many
from deepbird_v2.data._murmur import name_hash
from deepbird_v2.data.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "Plan",
    "decode_list",
    "decode_spans",
    "lzo1x_decompress",
    "name_hashes",
    "request_spans",
]

_DISCRETE_FACTOR: Final = np.int64(2654435761)
_FIXED_PAIR: Final = {
    2: np.dtype([("id", ">i8"), ("v", ">f8")]),
    3: np.dtype([("id", ">i8"), ("v", ">i8")]),
}


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
class _Parts:
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

    def extend(self, other: _Parts, row: int) -> None:
        """Repeat the parts of another record in this row."""
        for mine, theirs in zip(self.lists(), other.lists(), strict=True):
            mine.extend(theirs)
        self.chunk_row[len(self.chunk_row) - len(other.chunk_row) :] = [row] * len(other.chunk_row)


class _RecordReader:
    """Reads records into parts."""

    def __init__(self, plan: Plan, strict: bool) -> None:
        self.plan = plan
        self.strict = strict
        self.unknown = 0

    def read(self, cursor: w.Cursor, parts: _Parts, row: int) -> None:
        """Read one DataRecord up to its stop byte."""
        while True:
            at = cursor.pos
            kind = cursor.u8("field type")
            if kind == w.STOP:
                return
            number = cursor.field_id()
            known = w.RECORD_FIELDS.get(number)
            if known is None or known[0] != kind:
                if self.strict and known is None:
                    cursor.fail(at, f"unknown field {number} of type {kind} in DataRecord")
                if self.strict and known is not None:
                    wanted = known[0]
                    cursor.fail(at, f"DataRecord field {number}: type {kind}, expected {wanted}")
                self.unknown += 1
                cursor.skip(kind)
            else:
                self._field(cursor, parts, row, number, known[1])

    def _field(
        self, cursor: w.Cursor, parts: _Parts, row: int, number: int, types: tuple[int, ...]
    ) -> None:
        count = self._header(cursor, f"DataRecord field {number}", types)
        if number <= 3:
            size = count * 8 * len(types)
            at = cursor.need(size, "value")
            parts.fixed[number].append(cursor.data[at : at + size])
            parts.add(number, count, row)
        elif number == 4:
            texts, ids = cursor.texts(count, before=8)
            parts.ids.append(ids)
            parts.texts.extend(texts)
            parts.add(4, count, row)
        elif number == 5:
            for _ in range(count):
                self._sparse_binary(cursor, parts, row)
        elif number == 6:
            for _ in range(count):
                self._sparse_continuous(cursor, parts, row)
        else:
            self._uncounted(cursor, number, count)

    def _header(self, cursor: w.Cursor, what: str, types: tuple[int, ...]) -> int:
        """Read and check a container's header; returns its count, 0 when it was skipped."""
        count = cursor.container(what, types, self.strict)
        if count < 0:
            self.unknown += 1
        return max(count, 0)

    def _sparse_binary(self, cursor: w.Cursor, parts: _Parts, row: int) -> None:
        at = cursor.need(8, "map key")
        count = self._header(cursor, "DataRecord field 5 set", (w.STRING,))
        parts.texts.extend(cursor.texts(count)[0])
        parts.ids.append(bytes(cursor.data[at : at + 8]) * count)
        parts.add(5, count, row)

    def _sparse_continuous(self, cursor: w.Cursor, parts: _Parts, row: int) -> None:
        at = cursor.need(8, "map key")
        id_ = bytes(cursor.data[at : at + 8])
        count = self._header(cursor, "DataRecord field 6 map", (w.STRING, w.DOUBLE))
        if self.plan.name_only:
            kept = self.plan.kept
            wanted = kept is None or int.from_bytes(id_, "big", signed=True) in kept
            for _ in range(count):
                self._named_value(cursor, parts, wanted)
        else:
            texts, doubles = cursor.texts(count, after=8)
            parts.texts.extend(texts)
            parts.doubles.append(doubles)
        parts.ids.append(id_ * count)
        parts.add(6, count, row)

    def _named_value(self, cursor: w.Cursor, parts: _Parts, wanted: bool) -> None:
        """A sparse continuous element whose key is the id of its name."""
        at = cursor.pos
        name = cursor.text()
        value_at = cursor.need(8, "value")
        double = bytes(cursor.data[value_at : value_at + 8])
        parts.doubles.append(double)
        is_nan = np.isnan(np.frombuffer(double, ">f8")[0])
        if not wanted or (self.plan.drop_nan and is_nan):
            parts.names.append(0)
            return
        try:
            parts.names.append(name_hash(name))
        except ValueError:
            cursor.fail(at, "sparse feature name is not valid UTF-8")

    def _uncounted(self, cursor: w.Cursor, number: int, count: int) -> None:
        """Blobs and tensors: checked, never columns."""
        for _ in range(count):
            cursor.need(8, "map key")
            if number == 7:
                cursor.text()
            elif not self.strict:
                cursor.skip(w.STRUCT)
            elif number == 8:
                tensors.general_tensor(cursor)
            else:
                tensors.sparse_tensor(cursor)


Columns = tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.int64],
    NDArray[np.uint8],
    NDArray[np.float32],
    NDArray[np.float32],
    int,
    list[tuple[int, int, str]],
]


def decode_spans(
    data: bytes | memoryview,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    common: tuple[int, int] | None,
    plan: Plan,
    strict: bool,
    skip_bad: bool,
) -> Columns:
    """Decode the records ``data[starts[i]:ends[i]]`` into columns.

    Args:
        data: Bytes that hold every record.
        starts: int64 [n].
        ends: int64 [n].
        common: Span of a record whose features open every row; None for none.
        plan: What to keep.
        strict: Refuse unknown fields and types instead of skipping and counting them.
        skip_bad: Drop bad records instead of stopping at the first.

    Returns:
        row_splits, key, value, field, kind, labels, weights, number of unknown fields skipped,
        errors as (record, offset, reason) with record -1 for `common`.
    """
    cursors = (w.Cursor(data, a, b) for a, b in zip(starts.tolist(), ends.tolist(), strict=True))
    common_cursor = None if common is None else w.Cursor(data, *common)
    return _decode(cursors, common_cursor, plan, strict, skip_bad)


def decode_list(records: Sequence[bytes], plan: Plan, strict: bool, skip_bad: bool) -> Columns:
    """Decode a list of records; see `decode_spans`."""
    return _decode((w.Cursor(record) for record in records), None, plan, strict, skip_bad)


def _decode(
    cursors: Iterator[w.Cursor],
    common_cursor: w.Cursor | None,
    plan: Plan,
    strict: bool,
    skip_bad: bool,
) -> Columns:
    reader = _RecordReader(plan, strict)
    common = _Parts()
    parts = _Parts()
    errors: list[tuple[int, int, str]] = []
    rows = 0
    if common_cursor is not None:
        try:
            reader.read(common_cursor, common, 0)
        except DecodeError as error:
            return (*_columns(parts, 0, plan), reader.unknown, [(-1, error.offset, error.reason)])
    for index, cursor in enumerate(cursors):
        mark = parts.mark()
        unknown = reader.unknown
        try:
            parts.extend(common, rows)
            reader.read(cursor, parts, rows)
        except DecodeError as error:
            errors.append((index, error.offset, error.reason))
            parts.rewind(mark)
            reader.unknown = unknown
            if not skip_bad:
                break
        else:
            rows += 1
    return (*_columns(parts, rows, plan), reader.unknown, errors)


def _columns(
    parts: _Parts, rows: int, plan: Plan
) -> tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.int64],
    NDArray[np.uint8],
    NDArray[np.float32],
    NDArray[np.float32],
]:
    sizes = np.array(parts.chunk_size, np.int64)
    kind = np.repeat(np.array(parts.chunk_kind, np.uint8), sizes)
    row = np.repeat(np.array(parts.chunk_row, np.int64), sizes)
    ids = np.empty(len(kind), np.int64)
    mix = np.zeros(len(kind), np.int64)
    value = np.ones(len(kind), np.float64)
    ids[kind == 1] = np.frombuffer(b"".join(parts.fixed[1]), ">i8")
    continuous = np.frombuffer(b"".join(parts.fixed[2]), _FIXED_PAIR[2])
    ids[kind == 2] = continuous["id"]
    value[kind == 2] = continuous["v"]
    discrete = np.frombuffer(b"".join(parts.fixed[3]), _FIXED_PAIR[3])
    ids[kind == 3] = discrete["id"]
    mix[kind == 3] = (discrete["v"].astype(np.int64) + 17) * _DISCRETE_FACTOR
    ids[kind > 3] = np.frombuffer(b"".join(parts.ids), ">i8")
    value[kind == 6] = np.frombuffer(b"".join(parts.doubles), ">f8")
    if plan.name_only:
        mix[(kind == 4) | (kind == 5)] = jhash_many(parts.texts)
        mix[kind == 6] = ids[kind == 6] ^ np.array(parts.names, np.int64)
    else:
        mix[kind > 3] = jhash_many(parts.texts)

    label = _position(ids, plan.labels)
    weight = _position(ids, plan.weights)
    unclaimed = (label < 0) & (weight < 0)
    keep = unclaimed if plan.keep is None else _position(ids, plan.keep) >= 0
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
    key = (ids ^ mix)[keep]
    return splits, key, value[keep], ids[keep], kind[keep], labels, weights


def _position(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of each id in `wanted`, -1 where it is absent."""
    if not len(wanted):
        return np.full(len(ids), -1, np.int64)
    order = np.argsort(wanted, kind="stable")
    at = np.minimum(np.searchsorted(wanted[order], ids), len(wanted) - 1)
    found = order[at]
    return np.where(wanted[found] == ids, found, -1)


def lzo1x_decompress(data: bytes, size: int) -> bytes:
    """Decompress one LZO1X block of at most `size` bytes.

    liblzo2 is three hundred times faster than Python; what it refuses is read again for its error.

    Raises:
        ContainerError: The block is damaged.
    """
    try:
        import lzo
    except ImportError:
        return _lzo1x.lzo1x_decompress(data, size)
    try:
        unpacked: bytes = lzo.decompress(data, False, size)
    except lzo.error:
        return _lzo1x.lzo1x_decompress(data, size)
    return unpacked


def name_hashes(names: list[bytes]) -> NDArray[np.int64]:
    """Feature ids of UTF-8 names, int64 [n]."""
    return np.fromiter(map(name_hash, names), np.int64, len(names))


Spans = tuple[
    NDArray[np.int64], NDArray[np.int64], tuple[int, int] | None, tuple[int, int, str] | None
]


def request_spans(request: bytes, strict: bool) -> Spans:
    """Where the records of a BatchPredictionRequest are.

    Returns:
        starts and ends of the individual records, the span of the common features, and the error
        that ended the reading as (record or -1, offset in the request, reason).
    """
    spans: list[tuple[int, int]] = []
    common: tuple[int, int] | None = None
    error = None
    cursor = w.Cursor(request)
    record = -1
    listed = False
    try:
        while True:
            at = cursor.pos
            kind = cursor.u8("field type")
            if kind == w.STOP:
                if strict and not listed:
                    cursor.fail(at, "BatchPredictionRequest lacks field 1")
                break
            number = cursor.field_id()
            wanted = {1: w.LIST, 2: w.STRUCT}.get(number)
            if kind == wanted == w.STRUCT:
                begin = cursor.pos
                cursor.skip(w.STRUCT)
                common = (begin, cursor.pos)
            elif kind == wanted:
                element, count, header = cursor.list_header()
                if element != w.STRUCT and (strict or count):
                    cursor.fail(header, f"request field 1 element: type {element}, expected 12")
                cursor.check_count(count, 1, header)
                spans = []
                for index in range(count):
                    record = index
                    begin = cursor.pos
                    cursor.skip(w.STRUCT)
                    spans.append((begin, cursor.pos))
                record = -1
                listed = True
            elif not strict:
                cursor.skip(kind)
            elif wanted is None:
                cursor.fail(at, f"unknown field {number} of type {kind} in BatchPredictionRequest")
            else:
                cursor.fail(at, f"request field {number}: type {kind}, expected {wanted}")
    except DecodeError as caught:
        error = (record, caught.offset, caught.reason)
    bounds = np.array(spans, np.int64).reshape(-1, 2)
    return bounds[:, 0].copy(), bounds[:, 1].copy(), common, error
