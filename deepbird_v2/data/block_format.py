"""The block container: files of records, 100 a block.

A file is a sequence of blocks; a block is a 16-byte marker, the size of its body as a
little-endian int32, and the body: a Protocol Buffers message with the format's version (1), the
name of the records' class, and the records.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from deepbird_v2.data import compression
from deepbird_v2.data.errors import ContainerError
from deepbird_v2.data.files import write_atomically
from deepbird_v2.data.records import RecordBuffer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARKER: Final = bytes.fromhex("29d8d50658cd4c29b2bc57992171bdff")
CLASS_NAME: Final = "com.twitter.ml.api.thriftjava.DataRecord"
RECORDS_PER_BLOCK: Final = 100
_SIZE = struct.Struct("<i")
_HEADER = len(MARKER) + _SIZE.size
_VERSION, _CLASS, _RECORD = 0x08, 0x12, 0x1A
_LONGEST_CLASS_NAME = 1022
_AFTER = {_VERSION: _CLASS, _CLASS: _RECORD, _RECORD: _RECORD}
_LONGEST_PREFIX = 8  # a tag and the longest length that is read quickly
# Protocol Buffers wire type -> size, where it is fixed.
_FIXED = {1: 8, 5: 4}


class _Body:
    """Walks one block's body and collects its records."""

    def __init__(
        self, data: bytes, start: int, end: int, starts: list[int], ends: list[int]
    ) -> None:
        self.data = data
        self.pos = start
        self.end = end
        self.starts = starts
        self.ends = ends

    def walk(self, strict: bool) -> None:
        """Collect the spans of the block's records, up to the first error."""
        expected = _VERSION
        while self.pos < self.end:
            at = self.pos
            tag = self.varint()
            if strict and tag != expected:
                raise ContainerError(f"byte {at}: unexpected tag {tag:#x}, expected {expected:#x}")
            if tag == _VERSION:
                version = self.varint()
                if version != 1:
                    raise ContainerError(f"byte {at}: block format version {version}, expected 1")
            elif tag == _CLASS:
                start, end = self.span()
                if strict and end - start > _LONGEST_CLASS_NAME:
                    raise ContainerError(f"byte {at}: class name of {end - start} bytes")
                self.plain_records()
            elif tag == _RECORD:
                self.add(*self.span())
            else:
                self.skip(tag)
            expected = _AFTER.get(tag, expected)

    def add(self, start: int, end: int) -> None:
        """Collect one record."""
        self.starts.append(start)
        self.ends.append(end)

    def plain_records(self) -> None:
        """Collect a run of sound records quickly; whatever is not one is left to `walk`."""
        data, pos, limit = self.data, self.pos, self.end
        starts, ends = self.starts, self.ends
        while limit - pos > _LONGEST_PREFIX and data[pos] == _RECORD:
            at = pos + 2
            size = data[pos + 1]
            shift = 7
            while size >> shift and shift <= 28:  # the last byte's high bit says: go on
                size += (data[at] - 1) << shift
                at += 1
                shift += 7
            end = at + size
            if end > limit or size >> shift:
                break
            starts.append(at)
            ends.append(end)
            pos = end
        self.pos = pos

    def varint(self) -> int:
        """An unsigned 32-bit number in at most 10 bytes."""
        at = self.pos
        value = 0
        for index in range(10):
            if at + index >= self.end:
                raise ContainerError(f"byte {at}: truncated in a number")
            byte = self.data[at + index]
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                self.pos = at + index + 1
                return value & 0xFFFF_FFFF
        raise ContainerError(f"byte {at}: a number longer than 10 bytes")

    def span(self) -> tuple[int, int]:
        """A length and as many bytes."""
        at = self.pos
        size = self.varint()
        start = self.pos
        if size > self.end - start:
            raise ContainerError(
                f"byte {at}: truncated: a record of {size} bytes, {self.end - start} remain"
            )
        self.pos = start + size
        return start, self.pos

    def skip(self, tag: int) -> None:
        """Step over a field of another number."""
        at = self.pos
        wire = tag & 7
        if wire == 0:
            self.varint()
        elif wire == 2:
            self.span()
        elif wire in _FIXED and self.end - at >= _FIXED[wire]:
            self.pos = at + _FIXED[wire]
        else:
            raise ContainerError(f"byte {at}: unreadable field with tag {tag:#x}")


def _scan(whole: bytes, strict: bool, starts: list[int], ends: list[int]) -> list[ContainerError]:
    errors: list[ContainerError] = []
    at = whole.find(MARKER)
    while at >= 0 and at + _HEADER <= len(whole):
        (size,) = _SIZE.unpack_from(whole, at + len(MARKER))
        start = at + _HEADER
        body = _Body(whole, start, min(start + max(size, 0), len(whole)), starts, ends)
        try:
            body.walk(strict)
            if start + size > len(whole):
                lacking = start + size - len(whole)
                raise ContainerError(f"byte {at}: truncated: the block lacks {lacking} bytes")
            at = body.pos
        except ContainerError as error:
            errors.append(error)
            if strict:
                break
            at = start
        at = whole.find(MARKER, at)
    return errors


def scan_blocks(
    data: bytes, *, strict: bool = True
) -> tuple[RecordBuffer, tuple[ContainerError, ...]]:
    """Find every record of a block-format buffer.

    Bytes between blocks and empty blocks are passed over; a file that ends inside a marker or a
    size ends cleanly there.

    Args:
        data: The decompressed content of a file.
        strict: Stop at the first error. Otherwise the rest of a damaged block is given up and
            reading goes on at the next marker, and unknown fields are passed over.

    Returns:
        The records before (or, if not strict, around) the errors, and the errors.
    """
    starts: list[int] = []
    ends: list[int] = []
    errors = _scan(data, strict, starts, ends)
    return RecordBuffer(data, np.array(starts, np.int64), np.array(ends, np.int64)), tuple(errors)


def read_records(path: str | Path, *, strict: bool = True) -> RecordBuffer:
    """Read all records of a file into one buffer, the fast way into `decode_batch`.

    Args:
        path: A block-format file, plain or compressed; see `deepbird_v2.data.compression`.
        strict: See `scan_blocks`.

    Raises:
        ContainerError: The file is damaged (with `strict`), or its compression is.
    """
    records, errors = scan_blocks(compression.read_file(path), strict=strict)
    if errors and strict:
        raise ContainerError(f"{path}: {errors[0]}")
    return records


def open_records(path: str | Path, *, strict: bool = True) -> Iterator[bytes]:
    """Iterate over the records of a file; an error comes after the records before it.

    Args:
        path: See `read_records`.
        strict: See `scan_blocks`.

    Raises:
        ContainerError: As `read_records`, when the damaged place is reached.
    """
    records, errors = scan_blocks(compression.read_file(path), strict=strict)
    yield from records
    if errors and strict:
        raise ContainerError(f"{path}: {errors[0]}")


def encode_blocks(
    records: Iterable[bytes],
    *,
    records_per_block: int = RECORDS_PER_BLOCK,
    class_name: str = CLASS_NAME,
) -> bytes:
    """Encode records as block format; no records make an empty file."""
    if records_per_block < 1:
        raise ValueError(f"records_per_block must be positive, not {records_per_block}")
    name = class_name.encode()
    if len(name) > _LONGEST_CLASS_NAME:
        raise ValueError(f"class name of {len(name)} bytes; readers take {_LONGEST_CLASS_NAME}")
    head = b"\x08\x01\x12" + _varint(len(name)) + name
    out = bytearray()
    every = list(records)
    for first in range(0, len(every), records_per_block):
        body = bytearray(head)
        for record in every[first : first + records_per_block]:
            body += b"\x1a" + _varint(len(record)) + record
        out += MARKER + _SIZE.pack(len(body)) + body
    return bytes(out)


def write_records(
    path: str | Path,
    records: Iterable[bytes],
    *,
    records_per_block: int = RECORDS_PER_BLOCK,
    class_name: str = CLASS_NAME,
) -> None:
    """Write a block-format file, whole or not at all; the suffix chooses the compression.

    Args:
        path: ``.lzo``, ``.gz``, ``.lzo_deflate``, or any other suffix for none.
        records: Encoded records.
        records_per_block: How many records share a marker.
        class_name: The name of the records' Java class; readers ignore it.
    """
    content = encode_blocks(records, records_per_block=records_per_block, class_name=class_name)
    write_atomically(path, compression.compress(content, Path(path).suffix))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
