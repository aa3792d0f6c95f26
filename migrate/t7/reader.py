"""Objects of a ``.t7`` file. Nesting lives on a list, never on Python's own stack."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from migrate.t7 import paths
from migrate.t7.cursor import BOOLEAN, FUNCTIONS, NIL, NUMBER, OBJECT, STRING, TABLE, Cursor
from migrate.t7.elements import ELEMENTS, ElementClass
from migrate.t7.errors import (
    BadLength,
    BadNumber,
    BadReference,
    BadTag,
    BadTensor,
    T7Error,
    UnknownLayout,
)
from migrate.t7.frames import LayoutFrame, TableFrame
from migrate.t7.objects import BoolKey, Function, Storage, Table, Tensor, TorchObject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migrate.t7.frames import Frame
    from migrate.t7.layouts import Layout

__all__ = ["Reader"]

_VERSION: Final = re.compile(r"V (-?\d{1,9})")
_MOST_DIMENSIONS: Final = 64  # NumPy's own limit
_LARGEST: Final = 1 << 62
# Bytes of the shortest entry of a table: a reference and a boolean's head.
_LEAST_ENTRY: Final = 8


class Reader:
    """Reads the objects of one file, one after another; references reach across them.

    Args:
        cursor: where to read.
        layouts: of classes with their own ``write``.

    Attributes:
        frames: the containers that are being filled, outermost first.
        zero_sizes: a tensor has a dimension of size 0.
    """

    def __init__(self, cursor: Cursor, layouts: Mapping[str, Layout]) -> None:
        self.cursor = cursor
        self.layouts = layouts
        self.frames: list[Frame] = []
        self.zero_sizes = False
        self._seen: dict[int, Any] = {}

    def read_object(self) -> Any:
        """The object that stands here.

        Raises:
            T7Error: with the byte offset and the path inside the object.
        """
        frames = self.frames
        frames.clear()
        try:
            value = self.start()
            while frames:
                frame = frames[-1]
                if frame.fill(self):
                    frames.pop()
        except T7Error as error:
            error.where = paths.join([frame.step() for frame in frames])
            raise
        return value

    def start(self) -> Any:
        """The value that stands here. A new container comes back empty and waits on ``frames``."""
        cursor = self.cursor
        at = cursor.pos
        tag = cursor.read_int()
        if tag == TABLE:
            return self._table()
        if tag == OBJECT:
            return self._object()
        if tag == NUMBER:
            return cursor.read_double()
        if tag == STRING:
            return cursor.read_text()
        if tag == BOOLEAN:
            return cursor.read_int() != 0
        if tag == NIL:
            return None
        if tag in FUNCTIONS:
            return self._function(tag)
        raise BadTag(f"{tag} is no type tag (they are 0 to 8)", offset=at)

    def read_key(self) -> Any:
        """As ``start``, for the key of a table."""
        at = self.cursor.pos
        key = self.start()
        if key is None:
            raise BadTag("a table key that is nil", offset=at)
        if isinstance(key, bool):
            return BoolKey(key)
        if isinstance(key, float) and key != key:
            raise BadNumber("a table key that is not a number (nan)", offset=at)
        return key

    def _known(self, kinds: tuple[type, ...], wanted: str) -> tuple[int, Any]:
        """A reference index, and what it refers to if it was seen before."""
        at = self.cursor.pos
        index = self.cursor.read_int()
        known = self._seen.get(index)
        if known is not None and not isinstance(known, kinds):
            raise _wrong_kind(index, known, wanted, at)
        return index, known

    def _table(self, prefix: str = "") -> Table:
        read_int = self.cursor.read_int
        at = self.cursor.pos
        index = read_int()
        known = self._seen.get(index)
        if known is not None:
            if isinstance(known, Table):
                return known
            raise _wrong_kind(index, known, "a table", at)
        table = self._seen[index] = Table()
        self.push_entries(table, read_int(), prefix)
        return table

    def push_entries(self, table: Table, count: int, prefix: str = "") -> None:
        """Reads ``count`` entries into ``table``; those that hold containers wait on ``frames``."""
        if count:
            self.cursor.check_count(count, _LEAST_ENTRY, "table")
            left, key = self.cursor.read_pairs(table, count)
            if left:
                self.frames.append(TableFrame(table, left, key, prefix))

    def _function(self, tag: int) -> Function:
        index = None
        if tag != FUNCTIONS[0]:
            index, known = self._known((Function,), "a function")
            if known is not None:
                return known
        at = self.cursor.pos
        count = self.cursor.read_int()
        if count < 0:
            raise BadLength(f"a function of {count} bytes", offset=at)
        function = Function(self.cursor.read_bytes(count), None, tag)
        if index is not None:
            self._seen[index] = function
        function.upvalues = self._optional_table("the upvalues of a function", ".upvalues")
        return function

    def _optional_table(self, what: str, prefix: str) -> Table | None:
        at = self.cursor.pos
        tag = self.cursor.read_int()
        if tag == NIL:
            return None
        if tag == TABLE:
            return self._table(prefix)
        raise BadTag(f"tag {tag} where {what} must be a table", offset=at)

    def _class(self) -> tuple[int | None, str]:
        """Version and name of a class; a file from before versions has only the name."""
        first = self.cursor.read_text()
        if not first.startswith("V "):
            return None, first
        match = _VERSION.fullmatch(first)
        return (int(match[1]), self.cursor.read_text()) if match else (None, first)

    def _object(self) -> Any:
        index, known = self._known((Tensor, Storage, TorchObject), "an object of a class")
        if known is not None:
            return known
        version, name = self._class()
        element = ELEMENTS.get(name)
        if element is None:
            return self._torch_object(index, version, name)
        if element.is_tensor:
            tensor = self._seen[index] = self._tensor(name, element)
            return tensor
        return self._storage(index, name, element)

    def _torch_object(self, index: int, version: int | None, name: str) -> TorchObject:
        value = self._seen[index] = TorchObject(name, version)
        layout = self.layouts.get(name)
        if layout is not None:
            self.frames.append(LayoutFrame(value.fields, layout))
            return value
        at = self.cursor.pos
        if self.cursor.at_end() or self.cursor.read_int() != TABLE:
            raise UnknownLayout(
                f"class {paths.shown(name)} writes itself in a way of its own (no table follows)",
                offset=at,
                hint=f"declare what it writes, layouts={{{paths.shown(name)}: ['int x', ...]}}, "
                "see migrate.t7.layouts; if no such class exists, the file is damaged",
            )
        value.fields = self._table()
        return value

    def _storage(self, index: int, name: str, element: ElementClass) -> Storage:
        at = self.cursor.pos
        count = self.cursor.read_long()
        if count < 0:
            raise BadLength(f"a {name} of {count} elements", offset=at)
        data = self.cursor.read_elements(element.dtype, count, is_long=element.is_long)
        storage = self._seen[index] = Storage(name, data)
        return storage

    def _tensor(self, name: str, element: ElementClass) -> Tensor:
        at = self.cursor.pos
        dims = self.cursor.read_int()
        if not 0 <= dims <= _MOST_DIMENSIONS:
            raise BadTensor(f"a {name} of {dims} dimensions", offset=at)
        longs = self.cursor.read_longs(2 * dims + 1)
        size, stride, offset = longs[:dims], longs[dims:-1], longs[-1] - 1
        self.zero_sizes |= 0 in size
        storage = self._tensor_storage(name, element)
        _check_bounds(size, stride, offset, storage, name, at)
        return Tensor(name, size, stride, offset, storage, element.dtype)

    def _tensor_storage(self, name: str, element: ElementClass) -> Storage | None:
        at = self.cursor.pos
        tag = self.cursor.read_int()
        if tag == NIL:
            return None
        if tag != OBJECT:
            raise BadTensor(f"tag {tag} where the storage of a {name} must be", offset=at)
        index, storage = self._known((Storage,), f"the storage of a {name}")
        if storage is None:
            _, found = self._class()
            if found != element.partner:
                raise BadTensor(f"a {name} over a {paths.shown(found)}", offset=at)
            storage = self._storage(index, found, ELEMENTS[found])
        elif storage.class_name != element.partner:
            raise BadTensor(f"a {name} over a {storage.class_name}", offset=at)
        return storage


def _wrong_kind(index: int, known: Any, wanted: str, at: int) -> BadReference:
    return BadReference(
        f"index {index} stands for a {paths.kind(known)}, not for {wanted}", offset=at
    )


def _check_bounds(
    size: tuple[int, ...],
    stride: tuple[int, ...],
    offset: int,
    storage: Storage | None,
    name: str,
    at: int,
) -> None:
    """Refuses a tensor any element of which lies outside its storage."""
    if any(n < 0 for n in size) or any(s < 0 for s in stride):
        raise BadTensor(f"a {name} of size {size} and strides {stride}", offset=at)
    count = 1 if size else 0
    last = offset
    for n, s in zip(size, stride, strict=True):
        count *= n
        last += (n - 1) * s
    if not count:
        return
    held = 0 if storage is None else len(storage.data)
    if offset < 0 or last >= held or count > _LARGEST:
        raise BadTensor(
            f"a {name} of size {size}, strides {stride} and offset {offset + 1} needs elements "
            f"up to {last + 1}, its storage has {held}",
            offset=at,
        )
