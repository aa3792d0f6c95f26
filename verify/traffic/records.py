"""Recorded requests as a stream: a file may be larger than memory, a chunk never is.

Two kinds of file hold requests: block files of DataRecords (plain or compressed), and Parquet
recordings with the encoded record in the column `record` (see `verify.traffic.recorder`).
"""

from __future__ import annotations

import gzip
import mmap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from deepbird_v2.data.block_format import MARKER, scan_blocks
from deepbird_v2.data.compression import GZIP_MAGIC, read_file
from deepbird_v2.data.errors import ContainerError, DataError
from deepbird_v2.data.lzop import LZOP_MAGIC, lzop_blocks
from deepbird_v2.data.records import RecordBuffer
from verify.traffic.recorder import feature_hash

__all__ = ["RECORD_COLUMN", "ROWS", "is_parquet", "record_chunks"]

# Records a chunk at most: what is decoded, asked and compared at once.
ROWS = 4096
RECORD_COLUMN = "record"
# Decompressed bytes that are searched for records at once.
_PIECE = 8 << 20


def record_chunks(path: str | Path, rows: int = ROWS) -> Iterator[RecordBuffer]:
    """Read the records of a file, at most `rows` at a time.

    Args:
        path: A block file or a Parquet recording; its content says which.
        rows: Records a chunk.

    Raises:
        DataError: The file is damaged, or is Parquet without a column of records.
        OSError: The file cannot be opened.
    """
    path = Path(path)
    pieces = _recorded(path, rows) if is_parquet(path) else _blocks(path)
    for piece in pieces:
        for start in range(0, len(piece), rows):
            yield piece[start : start + rows]


def is_parquet(path: str | Path) -> bool:
    """Say whether a file begins as Parquet does."""
    with Path(path).open("rb") as file:
        return file.read(4) == b"PAR1"


def _recorded(path: Path, rows: int) -> Iterator[RecordBuffer]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        if RECORD_COLUMN not in file.schema_arrow.names:
            there = ", ".join(file.schema_arrow.names)
            raise DataError(f"{path}: no column {RECORD_COLUMN!r} of requests; there are: {there}")
        hashed = "feature_hash" in file.schema_arrow.names
        seen = 0
        for batch in file.iter_batches(
            rows, columns=[RECORD_COLUMN, *(("feature_hash",) if hashed else ())]
        ):
            records = batch.column(RECORD_COLUMN).to_pylist()
            for at, stored in enumerate(batch.column("feature_hash").to_pylist() if hashed else ()):
                if feature_hash(records[at]) != stored:
                    raise DataError(f"{path}: record {seen + at} is not what was recorded")
            seen += len(records)
            yield RecordBuffer.join(records)


def _blocks(path: Path) -> Iterator[RecordBuffer]:
    """Records of whole blocks, a piece of the file at a time."""
    seen = 0
    rest = bytearray()
    for last, data in _marked_last(_plain(path)):
        rest += data
        cut = len(rest) if last else rest.rfind(MARKER)
        if cut <= 0 or (len(rest) < _PIECE and not last):
            continue
        records, errors = scan_blocks(bytes(rest[:cut]))
        if errors:
            raise ContainerError(f"{path}: behind record {seen + len(records)}: {errors[0]}")
        seen += len(records)
        del rest[:cut]
        yield records


def _marked_last(parts: Iterator[bytes]) -> Iterator[tuple[bool, bytes]]:
    held = b""
    for part in parts:
        yield False, held
        held = part
    yield True, held


def _plain(path: Path) -> Iterator[bytes]:
    """The decompressed content in pieces."""
    with path.open("rb") as file:
        head = file.read(len(LZOP_MAGIC))
        if not head:
            return
        if head.startswith(LZOP_MAGIC):
            with closing(_Mapped(file.fileno(), 0, access=mmap.ACCESS_READ)) as mapped:
                try:
                    yield from lzop_blocks(cast(bytes, mapped))
                except ContainerError as error:
                    raise ContainerError(f"{path}: {error}") from error
            return
    if head.startswith(GZIP_MAGIC):
        yield from _read(gzip.open(path), path)  # noqa: SIM115 - _read closes it
    elif path.suffix in (".lzo", ".lzo_deflate", ".gz"):
        yield read_file(path)
    else:
        yield from _read(path.open("rb"), path)


def _read(file: Any, path: Path) -> Iterator[bytes]:
    with file:
        try:
            while data := file.read(_PIECE):
                yield data
        except EOFError as error:
            raise ContainerError(f"{path}: gzip: truncated") from error


class _Mapped(mmap.mmap):
    """A file that is read where it is needed, with what the lzop reader asks of bytes."""

    def startswith(self, prefix: bytes, start: int = 0) -> bool:
        """Say whether the bytes at `start` are these."""
        return self[start : start + len(prefix)] == prefix
