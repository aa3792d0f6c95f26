"""Compressed files: lzop (``.lzo``), gzip (``.gz``) and Hadoop's ``.lzo_deflate``.

A file's compression is known by its first bytes; only ``.lzo_deflate``, which has no magic
number, is known by its suffix.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deepbird_v2.data.errors import ContainerError
from deepbird_v2.data.lzop import (
    BLOCK_CAP,
    LZOP_MAGIC,
    lzo_compress,
    lzo_decompress,
    lzop_blocks,
    lzop_compress,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GZIP_MAGIC: Final = b"\x1f\x8b"
# How much a whole file may decompress to, unless the caller says otherwise.
MAX_SIZE: Final = 8 << 30
_U32 = struct.Struct(">I")
_GZIP_CHUNK = 4 << 20
_HADOOP_BLOCK = 64 << 10


def read_file(path: str | Path, *, max_size: int = MAX_SIZE) -> bytes:
    """Read and decompress a whole file.

    Args:
        path: The file.
        max_size: The largest decompressed size to accept, in bytes.

    Raises:
        ContainerError: The file is damaged, or larger than `max_size`.
    """
    content = Path(path).read_bytes()
    try:
        return decompress(content, Path(path).suffix, max_size=max_size)
    except ContainerError as error:
        raise ContainerError(f"{path}: {error}") from error


def decompress(content: bytes, suffix: str = "", *, max_size: int = MAX_SIZE) -> bytes:
    """Decompress a file's content; plain content is returned as it is.

    Args:
        content: The bytes of the file.
        suffix: Its suffix, which matters for ``.lzo_deflate`` only.
        max_size: See `read_file`.

    Raises:
        ContainerError: See `read_file`.
    """
    if content.startswith(LZOP_MAGIC):
        parts = lzop_blocks(content)
    elif content.startswith(GZIP_MAGIC):
        parts = _gunzip(content)
    elif suffix == ".lzo_deflate":
        parts = _hadoop_blocks(content)
    elif suffix in (".lzo", ".gz") and content:
        raise ContainerError(f"named {suffix}, but begins with {content[:9].hex(' ')}")
    else:
        return content
    return _collect(parts, max_size)


def compress(content: bytes, suffix: str) -> bytes:
    """Compress by suffix: ``.lzo``, ``.gz``, ``.lzo_deflate``; other suffixes leave it plain."""
    method: Callable[[bytes], bytes] | None = {
        ".lzo": lzop_compress,
        ".gz": lambda data: gzip.compress(data, mtime=0),
        ".lzo_deflate": _hadoop_compress,
    }.get(suffix)
    return content if method is None else method(content)


def _collect(parts: Iterator[bytes], max_size: int) -> bytes:
    found: list[bytes] = []
    total = 0
    for part in parts:
        total += len(part)
        if total > max_size:
            raise ContainerError(f"decompresses to more than {max_size} bytes: raise max_size")
        found.append(part)
    return b"".join(found)


def _gunzip(content: bytes) -> Iterator[bytes]:
    """The members of a gzip file, in pieces; zero padding after the last one is allowed."""
    rest = content
    while rest.strip(b"\0"):
        stream = zlib.decompressobj(wbits=31)
        try:
            while not stream.eof:
                if not rest:
                    raise ContainerError("gzip: truncated")
                yield stream.decompress(rest, _GZIP_CHUNK)
                rest = stream.unused_data if stream.eof else stream.unconsumed_tail
        except zlib.error as error:
            raise ContainerError(f"gzip: {error}") from error


def _hadoop_blocks(content: bytes) -> Iterator[bytes]:
    """Hadoop's LzoCodec: a block's size, then chunks until so many bytes are there."""
    pos = 0

    def u32() -> int:
        nonlocal pos
        if len(content) - pos < _U32.size:
            raise ContainerError(f"byte {pos}: truncated lzo_deflate header")
        pos += _U32.size
        value: int = _U32.unpack_from(content, pos - _U32.size)[0]
        return value

    while pos < len(content):
        wanted = u32()
        if wanted > BLOCK_CAP:
            raise ContainerError(f"byte {pos - 4}: block of {wanted} bytes, at most {BLOCK_CAP}")
        while wanted:
            size = u32()
            if size > len(content) - pos:
                raise ContainerError(f"byte {pos}: chunk of {size} bytes is truncated")
            chunk = lzo_decompress(content[pos : pos + size], wanted, exact=False)
            if not chunk:
                raise ContainerError(f"byte {pos}: chunk without content")
            pos += size
            wanted -= len(chunk)
            yield chunk


def _hadoop_compress(content: bytes) -> bytes:
    out = bytearray()
    for first in range(0, len(content), _HADOOP_BLOCK):
        data = content[first : first + _HADOOP_BLOCK]
        packed = lzo_compress(data)
        out += _U32.pack(len(data)) + _U32.pack(len(packed)) + packed
    return bytes(out)
