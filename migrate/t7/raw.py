"""Files that mix bare scalars (``file:writeInt`` and its kin) with objects, read in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrate.t7.ascii import AsciiCursor
from migrate.t7.binary import BinaryCursor
from migrate.t7.document import Source, buffer_of
from migrate.t7.layouts import LayoutSource, load_layouts
from migrate.t7.reader import Reader

if TYPE_CHECKING:
    from migrate.t7.cursor import Cursor

__all__ = ["open_raw"]


def open_raw(
    source: Source,
    *,
    mode: str = "binary",
    long_size: int = 8,
    byte_order: str = "little",
    layouts: LayoutSource | None = None,
) -> Reader:
    r"""A reader at the start of a file of any content, read the way that the arguments say.

    Its ``cursor`` has ``read_int``, ``read_long``, ``read_double``, ``read_short`` and so on;
    ``read_object`` reads an object. Each continues where the last one ended.

    >>> file = open_raw(b"7\n1\n2.5\n", mode="ascii")
    >>> file.cursor.read_int(), file.read_object()
    (7, 2.5)
    """
    buffer = buffer_of(source)
    cursor: Cursor = (
        AsciiCursor(buffer)
        if mode == "ascii"
        else BinaryCursor(buffer, long_size=long_size, byte_order=byte_order)
    )
    return Reader(cursor, load_layouts(layouts))
