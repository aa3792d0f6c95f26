"""DataRecords as objects: for people, tests and writers. Batches never pass through here."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from deepbird_v2.data import _wire as w
from deepbird_v2.data import tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from deepbird_v2.data.tensors import GeneralTensor, SparseTensor

_T = TypeVar("_T")


@dataclass
class DataRecord:
    """One example's features by feature id. Strings are raw bytes, as on the wire."""

    binary: set[int] = field(default_factory=set)
    continuous: dict[int, float] = field(default_factory=dict)
    discrete: dict[int, int] = field(default_factory=dict)
    string: dict[int, bytes] = field(default_factory=dict)
    sparse_binary: dict[int, set[bytes]] = field(default_factory=dict)
    sparse_continuous: dict[int, dict[bytes, float]] = field(default_factory=dict)
    blob: dict[int, bytes] = field(default_factory=dict)
    tensor: dict[int, GeneralTensor] = field(default_factory=dict)
    sparse_tensor: dict[int, SparseTensor] = field(default_factory=dict)


# Wire field number -> attribute.
_ATTRIBUTES: Final = (
    "binary",
    "continuous",
    "discrete",
    "string",
    "sparse_binary",
    "sparse_continuous",
    "blob",
    "tensor",
    "sparse_tensor",
)


def decode_record(data: bytes, *, strict: bool = True) -> DataRecord:
    """Decode one DataRecord; the last of repeated keys wins.

    Args:
        data: The encoded record; bytes after its end are ignored.
        strict: Refuse unknown fields and types, BinaryTensor and the data type BYTE, as the
            published runtime does; otherwise unknown fields are skipped.

    Raises:
        DecodeError: The record is malformed.
    """
    return read_record(w.Cursor(data), strict=strict)


def read_record(cursor: w.Cursor, *, strict: bool) -> DataRecord:
    """Read one DataRecord at a cursor; see `decode_record`."""
    record = DataRecord()
    while True:
        at = cursor.pos
        kind = cursor.u8("field type")
        if kind == w.STOP:
            return record
        number = cursor.field_id()
        known = w.RECORD_FIELDS.get(number)
        if known is not None and known[0] == kind:
            what = f"DataRecord field {number}"
            count = cursor.container(what, known[1], strict)
            content = getattr(record, _ATTRIBUTES[number - 1])
            if number == 1:
                content.update(cursor.i64("value") for _ in range(count))
            else:
                read = _VALUE_READERS[number]
                content.update((cursor.i64("map key"), read(cursor, strict)) for _ in range(count))
        elif not strict:
            cursor.skip(kind)
        elif known is None:
            cursor.fail(at, f"unknown field {number} of type {kind} in DataRecord")
        else:
            cursor.fail(at, f"DataRecord field {number}: type {kind}, expected {known[0]}")


def _read_set(cursor: w.Cursor, strict: bool) -> set[bytes]:
    count = cursor.container("DataRecord field 5 set", (w.STRING,), strict)
    return {cursor.text() for _ in range(count)}


def _read_map(cursor: w.Cursor, strict: bool) -> dict[bytes, float]:
    count = cursor.container("DataRecord field 6 map", (w.STRING, w.DOUBLE), strict)
    return {cursor.text(): cursor.double("value") for _ in range(count)}


_VALUE_READERS: Final[dict[int, Callable[[w.Cursor, bool], Any]]] = {
    2: lambda cursor, _: cursor.double("value"),
    3: lambda cursor, _: cursor.i64("value"),
    4: lambda cursor, _: cursor.text(),
    5: _read_set,
    6: _read_map,
    7: lambda cursor, _: cursor.text(),
    8: lambda cursor, strict: tensors.read_general_tensor(cursor, strict=strict),
    9: lambda cursor, strict: tensors.read_sparse_tensor(cursor, strict=strict),
}


def encode_record(record: DataRecord) -> bytes:
    """Encode a DataRecord canonically: fields, ids and strings ascending, empty fields left out.

    Equal records have equal bytes.
    """
    out = bytearray()
    for number, name in enumerate(_ATTRIBUTES, start=1):
        content = getattr(record, name)
        if not content:
            continue
        kind, types = w.RECORD_FIELDS[number]
        out += struct.pack(">Bh", kind, number) + bytes(types) + struct.pack(">i", len(content))
        if number == 1:
            out += struct.pack(f">{len(content)}q", *sorted(content))
        else:
            out += _entries(content, _VALUE_WRITERS[number])
    return bytes(out) + b"\0"


def _entries(content: Mapping[int, _T], write: Callable[[_T], bytes]) -> bytes:
    return b"".join(struct.pack(">q", id_) + write(content[id_]) for id_ in sorted(content))


def _text(text: bytes) -> bytes:
    return struct.pack(">i", len(text)) + text


def _set(texts: Iterable[bytes]) -> bytes:
    ordered = sorted(texts)
    return struct.pack(">Bi", w.STRING, len(ordered)) + b"".join(map(_text, ordered))


def _map(values: Mapping[bytes, float]) -> bytes:
    head = struct.pack(">BBi", w.STRING, w.DOUBLE, len(values))
    return head + b"".join(_text(k) + struct.pack(">d", values[k]) for k in sorted(values))


_VALUE_WRITERS: Final[dict[int, Callable[[Any], bytes]]] = {
    2: lambda value: struct.pack(">d", value),
    3: lambda value: struct.pack(">q", value),
    4: _text,
    5: _set,
    6: _map,
    7: _text,
    8: tensors.encode_general_tensor,
    9: tensors.encode_sparse_tensor,
}
