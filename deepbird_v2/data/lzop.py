"""The lzop container: a header, then blocks of LZO1X with checksums."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from deepbird_v2.data.backend import core
from deepbird_v2.data.errors import ContainerError

LZOP_MAGIC: Final = b"\x89LZO\x00\r\n\x1a\n"
BLOCK_CAP: Final = 64 << 20
_BLOCK_SIZE = 256 << 10
_METHODS = (1, 2, 3)  # LZO1X-1, LZO1X-1(15), LZO1X-999: one decompressor for all

_ADLER32_DATA = 0x1
_ADLER32_COMPRESSED = 0x2
_EXTRA_FIELD = 0x40
_CRC32_DATA = 0x100
_CRC32_COMPRESSED = 0x200
_MULTIPART = 0x400
_FILTER = 0x800
_HEADER_CRC32 = 0x1000
_RESERVED = 0x000F_C000  # between the feature flags and the operating system's bits
_LEVEL_SINCE = 0x0940

_Checksum = Callable[[bytes], int]
_CHECKS: Final[tuple[tuple[int, str, _Checksum], ...]] = (
    (_ADLER32_DATA, "adler32", zlib.adler32),
    (_CRC32_DATA, "crc32", zlib.crc32),
)
_COMPRESSED_CHECKS: Final[tuple[tuple[int, str, _Checksum], ...]] = (
    (_ADLER32_COMPRESSED, "adler32", zlib.adler32),
    (_CRC32_COMPRESSED, "crc32", zlib.crc32),
)


@dataclass
class _Input:
    data: bytes
    pos: int = 0

    def take(self, size: int, what: str) -> bytes:
        if size > len(self.data) - self.pos:
            raise ContainerError(f"byte {self.pos}: lzop: truncated in {what}")
        self.pos += size
        return self.data[self.pos - size : self.pos]

    def number(self, size: int, what: str) -> int:
        return int.from_bytes(self.take(size, what), "big")


def _read_header(source: _Input) -> int:
    """Read and check one header; returns its flags."""
    source.take(len(LZOP_MAGIC), "magic")
    begin = source.pos
    version = source.number(2, "version")
    source.number(2, "library version")
    recent = version >= _LEVEL_SINCE
    needed = source.number(2, "needed version") if recent else 0
    method = source.number(1, "method")
    if recent:
        source.number(1, "level")
    flags = source.number(4, "flags")
    if method not in _METHODS:
        raise ContainerError(f"lzop: method {method}; known: 1, 2, 3")
    if needed > 0x1040:
        raise ContainerError(f"lzop: needs version {needed:#x}; known up to 0x1040")
    if flags & _RESERVED:
        raise ContainerError(f"lzop: reserved flags {flags & _RESERVED:#x} are set")
    if flags & _MULTIPART:
        raise ContainerError("lzop: a part of a split file: join the parts first")
    if flags & _FILTER:
        raise ContainerError("lzop: filters are not supported: recompress without --filter")
    source.number(8 if not recent else 12, "mode and times")
    source.take(source.number(1, "name length"), "name")
    checksum = zlib.crc32 if flags & _HEADER_CRC32 else zlib.adler32
    _verify(source, "header", checksum, source.data[begin : source.pos])
    if flags & _EXTRA_FIELD:
        begin = source.pos
        source.take(source.number(4, "extra field length"), "extra field")
        _verify(source, "extra field", checksum, source.data[begin : source.pos])
    return flags


def _verify(source: _Input, what: str, checksum: _Checksum, data: bytes) -> None:
    at = source.pos
    stored = source.number(4, f"{what} checksum")
    if stored != checksum(data):
        raise ContainerError(
            f"byte {at}: lzop: {what} checksum is {stored:#010x}, computed {checksum(data):#010x}"
        )


def lzop_blocks(content: bytes) -> Iterator[bytes]:
    """Decompress an lzop file, or several concatenated, block by block.

    Raises:
        ContainerError: Bad header, unsupported feature, failed checksum, truncated or damaged
            block; the message names the byte.
    """
    source = _Input(content)
    while source.pos < len(content):
        if not content.startswith(LZOP_MAGIC, source.pos):
            raise ContainerError(f"byte {source.pos}: lzop: garbage after the end of the file")
        flags = _read_header(source)
        while block := _read_block(source, flags):
            yield block


def _read_block(source: _Input, flags: int) -> bytes:
    """The next block's data, empty at the end mark."""
    at = source.pos
    size = source.number(4, "block size")
    if size == 0:
        return b""
    if size > BLOCK_CAP:
        raise ContainerError(f"byte {at}: lzop: block of {size} bytes, at most {BLOCK_CAP}")
    packed_size = source.number(4, "compressed size")
    if packed_size > size:
        raise ContainerError(f"byte {at}: lzop: {packed_size} bytes compressed, {size} plain")
    sums = _read_sums(source, flags, _CHECKS)
    packed_sums = _read_sums(source, flags, _COMPRESSED_CHECKS) if packed_size < size else []
    packed = source.take(packed_size, "block")
    for what, stored, checksum in packed_sums:
        if stored != checksum(packed):
            raise ContainerError(f"byte {at}: lzop: {what} of the compressed block does not match")
    try:
        data = packed if packed_size == size else lzo_decompress(packed, size)
    except ContainerError as error:
        raise ContainerError(f"byte {at}: lzop: {error}") from error
    for what, stored, checksum in sums:
        if stored != checksum(data):
            raise ContainerError(f"byte {at}: lzop: {what} of the block does not match")
    return data


def _read_sums(
    source: _Input, flags: int, checks: tuple[tuple[int, str, _Checksum], ...]
) -> list[tuple[str, int, _Checksum]]:
    return [(what, source.number(4, what), sum_) for flag, what, sum_ in checks if flags & flag]


def lzo_decompress(packed: bytes, size: int, *, exact: bool = True) -> bytes:
    """Decompress one LZO1X block.

    Args:
        packed: The compressed bytes.
        size: How many bytes it must yield (or, if not `exact`, may yield at most).
        exact: Whether fewer bytes than `size` are an error.

    Raises:
        ContainerError: The block is damaged or does not fit.
    """
    data: bytes = core().lzo1x_decompress(packed, size)
    if exact and len(data) != size:
        raise ContainerError(f"LZO block of {len(data)} bytes, declared {size}")
    return data


def lzo_compress(data: bytes) -> bytes:
    """Compress one LZO1X block."""
    import lzo

    packed: bytes = lzo.compress(data, 1, False)
    return packed


def lzop_compress(content: bytes) -> bytes:
    """Compress as lzop does by default: 256 KiB blocks, adler32 of the data."""
    header = struct.pack(
        ">HHHBBIIIIB", 0x1040, 0x20A0, 0x0940, 1, 5, 0x0300_0000 | _ADLER32_DATA, 0o100644, 0, 0, 0
    )
    out = bytearray(LZOP_MAGIC + header + struct.pack(">I", zlib.adler32(header)))
    for first in range(0, len(content), _BLOCK_SIZE):
        data = content[first : first + _BLOCK_SIZE]
        packed = lzo_compress(data)
        if len(packed) >= len(data):
            packed = data
        out += struct.pack(">III", len(data), len(packed), zlib.adler32(data)) + packed
    return bytes(out + struct.pack(">I", 0))
