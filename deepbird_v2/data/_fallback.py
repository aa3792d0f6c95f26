"""Decoding in Python and NumPy: the same results and errors as the compiled core, slower.

Records are walked one by one, but ids and values are never touched one by one: whole maps are
collected as bytes, and one NumPy pass a batch turns them into columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepbird_v2.data import _lzo1x
from deepbird_v2.data import _wire as w
from deepbird_v2.data._murmur import name_hash
from deepbird_v2.data._parts import Columns, Parts, Plan, to_columns
from deepbird_v2.data._record_reader import RecordReader
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

# The columns of a Batch, the number of unknown fields, and errors: (record, offset, reason).
Decoded = tuple[*Columns, int, list[tuple[int, int, str]]]


def decode_spans(
    data: bytes | memoryview,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    common: tuple[int, int] | None,
    plan: Plan,
    strict: bool,
    skip_bad: bool,
) -> Decoded:
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


def decode_list(records: Sequence[bytes], plan: Plan, strict: bool, skip_bad: bool) -> Decoded:
    """Decode a list of records; see `decode_spans`."""
    return _decode(
        (w.Cursor(_as_bytes(record)) for record in records), None, plan, strict, skip_bad
    )


def _as_bytes(record: bytes) -> bytes:
    if not isinstance(record, bytes):
        raise TypeError("expected bytes")
    return record


def _decode(
    cursors: Iterator[w.Cursor],
    common_cursor: w.Cursor | None,
    plan: Plan,
    strict: bool,
    skip_bad: bool,
) -> Decoded:
    reader = RecordReader(plan, strict)
    common = Parts()
    parts = Parts()
    errors: list[tuple[int, int, str]] = []
    rows = 0
    if common_cursor is not None:
        try:
            reader.read(common_cursor, common, 0)
        except DecodeError as error:
            return (*to_columns(parts, 0, plan), reader.unknown, [(-1, error.offset, error.reason)])
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
    return (*to_columns(parts, rows, plan), reader.unknown, errors)


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
