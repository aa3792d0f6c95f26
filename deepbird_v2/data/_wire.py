"""Thrift's binary protocol, read with every length checked against the bytes that remain."""

from __future__ import annotations

import struct
from typing import Final, NoReturn

from deepbird_v2.data.errors import DecodeError

STOP: Final = 0
BOOL: Final = 2
BYTE: Final = 3
DOUBLE: Final = 4
I16: Final = 6
I32: Final = 8
I64: Final = 10
STRING: Final = 11
STRUCT: Final = 12
MAP: Final = 13
SET: Final = 14
LIST: Final = 15

MAX_DEPTH: Final = 64
FIXED_SIZE: Final = {BOOL: 1, BYTE: 1, DOUBLE: 8, I16: 2, I32: 4, I64: 8}
# The fewest bytes a value of each type can take.
MIN_SIZE: Final = {**FIXED_SIZE, STRING: 4, STRUCT: 1, MAP: 6, SET: 5, LIST: 5}

# DataRecord field -> its type, and the types in its map header (set: one element type).
RECORD_FIELDS: Final = {
    1: (SET, (I64,)),
    2: (MAP, (I64, DOUBLE)),
    3: (MAP, (I64, I64)),
    4: (MAP, (I64, STRING)),
    5: (MAP, (I64, SET)),
    6: (MAP, (I64, MAP)),
    7: (MAP, (I64, STRING)),
    8: (MAP, (I64, STRUCT)),
    9: (MAP, (I64, STRUCT)),
}
_PARTS: Final = {1: ("element",), 2: ("key", "value")}

_FIELD_ID = struct.Struct(">h")
_LENGTH = struct.Struct(">i")
_LONG = struct.Struct(">q")
_DOUBLE = struct.Struct(">d")
_LIST_HEADER = struct.Struct(">Bi")
_MAP_HEADER = struct.Struct(">BBi")


class Cursor:
    """A position inside ``data[start:end]`` that never leaves it.

    Every method raises `DecodeError` with an offset relative to ``start``.
    """

    __slots__ = ("data", "end", "pos", "start")

    def __init__(self, data: bytes | memoryview, start: int = 0, end: int | None = None) -> None:
        self.data = data
        self.start = start
        self.pos = start
        self.end = len(data) if end is None else end

    def fail(self, at: int, reason: str) -> NoReturn:
        """Raise for the absolute position `at`."""
        raise DecodeError(None, at - self.start, reason)

    def need(self, size: int, what: str) -> int:
        """Step over `size` bytes and return where they begin."""
        at = self.pos
        remain = self.end - at
        if size > remain:
            self.fail(at, f"truncated: {what} needs {size} bytes, {remain} remain")
        self.pos = at + size
        return at

    def u8(self, what: str) -> int:
        """One unsigned byte."""
        return self.data[self.need(1, what)]

    def field_id(self) -> int:
        """The id that follows a field's type."""
        value: int = _FIELD_ID.unpack_from(self.data, self.need(2, "field id"))[0]
        return value

    def i32(self, what: str) -> int:
        """A big-endian 32-bit integer."""
        value: int = _LENGTH.unpack_from(self.data, self.need(4, what))[0]
        return value

    def i64(self, what: str) -> int:
        """A big-endian 64-bit integer."""
        value: int = _LONG.unpack_from(self.data, self.need(8, what))[0]
        return value

    def double(self, what: str) -> float:
        """A big-endian double."""
        value: float = _DOUBLE.unpack_from(self.data, self.need(8, what))[0]
        return value

    def text(self) -> bytes:
        """A string: its length, then its bytes."""
        at = self.need(4, "string length")
        size: int = _LENGTH.unpack_from(self.data, at)[0]
        remain = self.end - self.pos
        if size < 0:
            self.fail(at, f"negative length {size}")
        if size > remain:
            self.fail(at, f"length {size} exceeds the {remain} bytes that remain")
        begin = self.pos
        self.pos = begin + size
        return bytes(self.data[begin : self.pos])

    def texts(self, count: int, before: int = 0, after: int = 0) -> tuple[list[bytes], bytes]:
        """Strings that each follow a map key, or are followed by a value, of fixed size.

        Args:
            count: How many.
            before: Size of the map key, or 0.
            after: Size of the value, or 0.

        Returns:
            The strings, and the bytes of all keys and values.
        """
        data, pos, end = self.data, self.pos, self.end
        texts: list[bytes] = []
        rest: list[bytes | memoryview] = []
        for _ in range(count):
            begin = pos + before + 4
            size = -1 if begin > end else _LENGTH.unpack_from(data, begin - 4)[0]
            stop = begin + size
            if size < 0 or stop + after > end:
                break
            texts.append(data[begin:stop])  # type: ignore[arg-type]  # joined, never kept
            if before:
                rest.append(data[pos : pos + before])
            if after:
                rest.append(data[stop : stop + after])
            pos = stop + after
        self.pos = pos
        if len(texts) < count:
            # Read the bad one step by step, for its error.
            self.need(before, "map key")
            self.text()
            self.need(after, "value")
        return texts, b"".join(rest)

    def list_header(self) -> tuple[int, int, int]:
        """Element type, count, and where the header begins, of a list or set."""
        at = self.need(5, "container header")
        kind, count = _LIST_HEADER.unpack_from(self.data, at)
        return kind, count, at

    def map_header(self) -> tuple[int, int, int, int]:
        """Key type, value type, count, and where the header begins."""
        at = self.need(6, "container header")
        key, value, count = _MAP_HEADER.unpack_from(self.data, at)
        return key, value, count, at

    def check_count(self, count: int, min_size: int, at: int) -> None:
        """Refuse a count that the remaining bytes cannot hold."""
        remain = self.end - self.pos
        if count < 0:
            self.fail(at, f"negative count {count}")
        if count * min_size > remain:
            self.fail(at, f"count {count} cannot fit in the {remain} bytes that remain")

    def container(self, what: str, types: tuple[int, ...], strict: bool) -> int:
        """Read the header of a map (two types) or a list or set (one type).

        Returns:
            The count; 0 for an empty container, and -1 for one of other types that was skipped,
            which happens only if not `strict`.
        """
        got: tuple[int, ...]
        if len(types) == 1:
            element, count, at = self.list_header()
            got = (element,)
        else:
            key, value, count, at = self.map_header()
            got = (key, value)
        if got == types:
            self.check_count(count, sum(map(MIN_SIZE.__getitem__, types)), at)
            return count
        if strict:
            for part, is_, wanted in zip(_PARTS[len(types)], got, types, strict=True):
                if is_ != wanted:
                    self.fail(at, f"{what} {part}: type {is_}, expected {wanted}")
        self.skip_elements(got, count, at, 1)
        return -1 if count else 0

    def skip(self, kind: int, depth: int = 1) -> None:
        """Step over a value of any type."""
        if depth > MAX_DEPTH:
            self.fail(self.pos, f"nesting deeper than {MAX_DEPTH}")
        if kind in FIXED_SIZE:
            self.need(FIXED_SIZE[kind], "value")
        elif kind == STRING:
            self.text()
        elif kind == STRUCT:
            while field := self.u8("field type"):
                self.need(2, "field id")
                self.skip(field, depth + 1)
        elif kind == MAP:
            key, value, count, at = self.map_header()
            self.skip_elements((key, value), count, at, depth)
        elif kind in (SET, LIST):
            element, count, at = self.list_header()
            self.skip_elements((element,), count, at, depth)
        else:
            self.fail(self.pos, f"unknown type code {kind}")

    def skip_elements(self, kinds: tuple[int, ...], count: int, at: int, depth: int) -> None:
        """Step over `count` elements whose parts have the types `kinds`."""
        if count == 0:
            return
        for kind in kinds:
            if kind not in MIN_SIZE:
                self.fail(at, f"unknown type code {kind}")
        self.check_count(count, sum(MIN_SIZE[kind] for kind in kinds), at)
        if all(kind in FIXED_SIZE for kind in kinds):
            self.pos += count * sum(FIXED_SIZE[kind] for kind in kinds)
            return
        for _ in range(count):
            for kind in kinds:
                self.skip(kind, depth + 1)
