"""Opening a ``.t7`` file: what mode it is in, how long its longs are, what it holds."""

from __future__ import annotations

import gc
import mmap
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from migrate.t7.ascii import AsciiCursor
from migrate.t7.binary import BinaryCursor
from migrate.t7.errors import BadValue, T7Error
from migrate.t7.layouts import Layout, LayoutSource, load_layouts
from migrate.t7.reader import Reader
from migrate.t7.sniff import check_mode, sniff

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from migrate.t7.cursor import Buffer, Cursor

__all__ = ["Document", "Source", "buffer_of", "load", "load_all", "open_document"]

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview
Mode: TypeAlias = Literal["auto", "binary", "ascii"]
LongSize: TypeAlias = Literal["auto", 4, 8]
ByteOrder: TypeAlias = Literal["auto", "little", "big"]
# A smaller file is read at once: a mapping costs more, and holds the file open.
_SMALL: Final = 1 << 20
_CHOICES: Final[Mapping[str, tuple[Any, ...]]] = {
    "mode": ("auto", "binary", "ascii"),
    "long_size": ("auto", 4, 8),
    "byte_order": ("auto", "little", "big"),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A file and its objects.

    Attributes:
        objects: in the order of the file; what one refers to may lie in another.
        mode: ``binary`` or ``ascii``.
        long_size: bytes of a C long, 4 or 8; 8 where the file has none.
        byte_order: ``little`` or ``big``.
        size: of the file in bytes.
        end: offset behind the last object that was read.
        notes: what a user should know, e.g. bytes that follow the last object.
    """

    objects: tuple[Any, ...]
    mode: str
    long_size: int
    byte_order: str
    size: int
    end: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to read a file."""

    mode: str
    byte_order: str
    long_size: int

    def cursor(self, buffer: Buffer) -> Cursor:
        if self.mode == "ascii":
            return AsciiCursor(buffer)
        return BinaryCursor(buffer, long_size=self.long_size, byte_order=self.byte_order)


def open_document(
    source: Source,
    *,
    mode: Mode = "auto",
    long_size: LongSize = "auto",
    layouts: LayoutSource | None = None,
    byte_order: ByteOrder = "auto",
    first_only: bool = False,
) -> Document:
    """Reads a file and says how it was written.

    Tensors are read-only views of the file. A large file is memory-mapped, so that only what is
    used is ever read; do not overwrite it in place while they live (replace it, as ``save`` does).

    Args:
        source: a path, or the bytes of a file.
        mode: ``auto`` tells by the first bytes.
        long_size: of a C long in bytes; ``auto`` tells by which size makes sense of the file.
        layouts: of classes with their own ``write``, see ``migrate.t7.layouts``.
        byte_order: ``auto`` tells by the first bytes.
        first_only: leave what follows the first object unread, and note it.

    Raises:
        T7Error: one of its subclasses, with offset, path and what to do.
        OSError: the file cannot be opened.
    """
    _check_choices(mode=mode, long_size=long_size, byte_order=byte_order)
    table = load_layouts(layouts)
    name = None if isinstance(source, (bytes, bytearray, memoryview)) else os.fspath(source)
    with _named(name):
        buffer = buffer_of(source)
        found, order = sniff(buffer)
        if mode != "auto":
            found = mode
            order = check_mode(buffer, mode, byte_order)
        way = _Way(found, order if byte_order == "auto" else byte_order, 8)
        if found == "ascii":
            return _read(buffer, way, table, first_only).document
        if long_size != "auto":
            way = replace(way, long_size=long_size)
            return _read(buffer, way, table, first_only).document
        return _read_either(buffer, way, table, first_only)


def load(
    source: Source,
    *,
    mode: Mode = "auto",
    long_size: LongSize = "auto",
    layouts: LayoutSource | None = None,
    byte_order: ByteOrder = "auto",
) -> Any:
    """The first object of a file, as Torch's own ``torch.load`` gives it. See ``open_document``."""
    document = open_document(
        source,
        mode=mode,
        long_size=long_size,
        layouts=layouts,
        byte_order=byte_order,
        first_only=True,
    )
    return document.objects[0]


def load_all(
    source: Source,
    *,
    mode: Mode = "auto",
    long_size: LongSize = "auto",
    layouts: LayoutSource | None = None,
    byte_order: ByteOrder = "auto",
) -> list[Any]:
    """All objects of a file, one after another. See ``open_document``."""
    document = open_document(
        source, mode=mode, long_size=long_size, layouts=layouts, byte_order=byte_order
    )
    return list(document.objects)


def _check_choices(**given: Any) -> None:
    for name, value in given.items():
        if value not in _CHOICES[name]:
            known = ", ".join(map(repr, _CHOICES[name]))
            raise BadValue(f"{name}={value!r}", hint=f"it is one of {known}")


@contextmanager
def _named(name: str | None) -> Iterator[None]:
    """Puts the file's name on errors."""
    try:
        yield
    except T7Error as error:
        error.source = error.source or name
        raise


def buffer_of(source: Source) -> Buffer:
    """The bytes of a source: a large regular file is mapped, anything else is read."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, (bytearray, memoryview)):
        return bytes(source)
    path = Path(source)
    with path.open("rb") as file:
        if path.is_file() and path.stat().st_size > _SMALL:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return file.read()


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one way of reading gave.

    Attributes:
        document: the result.
        complete: all bytes were used.
        long_read: the size of long mattered.
        plausible: no tensor has a size of 0, which Torch itself never writes.
    """

    document: Document
    complete: bool
    long_read: bool
    plausible: bool


@contextmanager
def _no_collection() -> Iterator[None]:
    """All that reading makes stays: collecting garbage meanwhile would walk it for nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_no_collection()
def _read(buffer: Buffer, way: _Way, layouts: Mapping[str, Layout], first_only: bool) -> _Reading:
    cursor = way.cursor(buffer)
    reader = Reader(cursor, layouts)
    objects = [reader.read_object()]
    notes: tuple[str, ...] = ()
    while not cursor.at_end():
        start = cursor.pos
        rest = f"{cursor.size - start} bytes follow the last object that was read, at byte {start}"
        if first_only:
            notes = (rest,)
            break
        try:
            objects.append(reader.read_object())
        except T7Error as error:
            notes = (f"{rest}, and are no object: {error.problem} (byte {error.offset})",)
            cursor.pos = start
            break
    end = cursor.pos if notes else cursor.size
    document = Document(
        tuple(objects), way.mode, way.long_size, way.byte_order, cursor.size, end, notes
    )
    return _Reading(document, not notes, cursor.long_read, not reader.zero_sizes)


def _read_either(
    buffer: Buffer, way: _Way, layouts: Mapping[str, Layout], first_only: bool
) -> Document:
    """Nothing in a file tells the size of its longs: the one that makes sense of it is right.

    Longs of 8 bytes come first. Longs of 4 win where those fail or leave bytes over, and 4 read the
    whole file.
    """
    short = replace(way, long_size=4)
    try:
        reading = _read(buffer, way, layouts, first_only)
    except T7Error as error:
        try:
            other = _read(buffer, short, layouts, first_only=False)
        except T7Error as second:
            # The reading that got further tells more.
            raise max(error, second, key=lambda e: e.offset or 0) from None
        if other.complete and other.plausible:
            return _first(other.document) if first_only else other.document
        error.hint += "; if a 32-bit Torch wrote it, read it with long_size=4"
        raise
    if reading.complete or not reading.long_read:
        return reading.document
    try:
        other = _read(buffer, short, layouts, first_only=False)
    except T7Error:
        return reading.document
    if not (other.complete and other.plausible):
        return reading.document
    return _first(other.document) if first_only else other.document


def _first(document: Document) -> Document:
    return replace(document, objects=document.objects[:1])
