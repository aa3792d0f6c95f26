"""Writing ``.t7`` files that Lua Torch reads back."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from migrate.t7.cursor import BOOLEAN, FUNCTIONS, NIL, NUMBER, OBJECT, STRING, TABLE
from migrate.t7.elements import ELEMENTS, storage_class, tensor_class
from migrate.t7.encoders import AsciiEncoder, BinaryEncoder, Encoder
from migrate.t7.errors import BadValue
from migrate.t7.layouts import Layout, LayoutSource, Step, load_layouts
from migrate.t7.objects import BoolKey, Function, Storage, Table, Tensor, TorchObject

if TYPE_CHECKING:
    import os

__all__ = ["dumps", "save"]

# The values inside a container, in the order of the file; what stands between them is written on
# the way, when the next one is asked for.
_Inside: TypeAlias = Iterator[Any]


def dumps(
    value: Any,
    *,
    mode: str = "binary",
    long_size: int = 8,
    layouts: LayoutSource | None = None,
) -> bytes:
    """The bytes of a file that holds ``value``.

    Takes what ``load`` gives, and Python's own: int, bytes, list and tuple (a table 1..n), dict,
    and arrays of Torch's element types (a contiguous tensor). What is one object stays one.

    Args:
        value: to write.
        mode: ``binary`` or ``ascii``.
        long_size: bytes of a C long, 8 or 4.
        layouts: of classes with their own ``write``, see ``migrate.t7.layouts``.

    Raises:
        BadValue: a value that no file can hold, with its type.
        TooLarge: a length beyond the file's integers.
    """
    return b"".join(_encode(value, mode, long_size, layouts))


def save(
    path: str | os.PathLike[str],
    value: Any,
    *,
    mode: str = "binary",
    long_size: int = 8,
    layouts: LayoutSource | None = None,
) -> None:
    """Writes a file; an earlier file of that name stays until the new one is complete.

    See ``dumps`` for what can be written and what is refused.
    """
    path = Path(path)
    chunks = _encode(value, mode, long_size, layouts)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.writelines(chunks)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _encode(value: Any, mode: str, long_size: int, layouts: LayoutSource | None) -> list[bytes]:
    if mode not in ("binary", "ascii"):
        raise BadValue(f"mode={mode!r}", hint="it is 'binary' or 'ascii'")
    if long_size not in (4, 8):
        raise BadValue(f"long_size={long_size!r}", hint="it is 4 or 8")
    encoder: Encoder = AsciiEncoder() if mode == "ascii" else BinaryEncoder(long_size)
    _Writer(encoder, load_layouts(layouts)).write(value)
    return encoder.finish()


class _Writer:
    def __init__(self, encoder: Encoder, layouts: Mapping[str, Layout]) -> None:
        self._out = encoder
        self._layouts = layouts
        self._index: dict[int, int] = {}
        self._kept: list[Any] = []  # an id stays taken while its object lives
        self._containers: dict[type, Callable[[Any], _Inside]] = {
            Table: self._table,
            TorchObject: self._object,
            Tensor: self._tensor,
            Storage: self._storage,
            Function: self._function,
        }

    def write(self, value: Any) -> None:
        """Outer before inner, each container once; nesting lives on a list."""
        stack: list[_Inside] = [iter((value,))]
        while stack:
            for item in stack[-1]:
                inside = self._start(item)
                if inside is not None:
                    stack.append(inside)
                    break
            else:
                stack.pop()

    def _start(self, value: Any) -> _Inside | None:
        """Writes a scalar, or the head of a container; returns what is inside it."""
        write = self._containers.get(type(value))
        if write is None and isinstance(value, (dict, list, tuple)):
            write = self._table
        if write is None and isinstance(value, np.ndarray):
            write = self._array
        if write is None:
            self._scalar(value)
            return None
        return write(value)

    def _scalar(self, value: Any) -> None:
        out = self._out
        if value is None:
            out.put_int(NIL)
        elif isinstance(value, (bool, np.bool_, BoolKey)):
            out.put_int(BOOLEAN)
            out.put_int(int(value.value if isinstance(value, BoolKey) else value))
        elif isinstance(value, (str, bytes)):
            out.put_int(STRING)
            self._text(value)
        elif isinstance(value, (int, float, np.integer, np.floating)):
            out.put_int(NUMBER)
            out.put_double(_double(value))
        else:
            raise BadValue(f"a {type(value).__name__} cannot stand in a .t7 file")

    def _text(self, text: str | bytes) -> None:
        raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        self._out.put_int(len(raw))
        self._out.put_bytes(raw)

    def _again(self, value: Any, tag: int) -> bool:
        """Writes tag and index; whether the index was given before, so that nothing follows."""
        index = self._index.get(id(value))
        self._out.put_int(tag)
        if index is not None:
            self._out.put_int(index)
            return True
        self._kept.append(value)
        self._index[id(value)] = len(self._kept)
        self._out.put_int(len(self._kept))
        return False

    def _class(self, name: str, version: int | None) -> None:
        if version is not None:
            self._text(f"V {version}")
        self._text(name)

    def _table(self, table: Any) -> _Inside:
        if self._again(table, TABLE):
            return
        pairs = list(enumerate(table, 1) if isinstance(table, (list, tuple)) else table.items())
        # Lua's tables hold no nil: an entry without a value is no entry.
        pairs = [(key, item) for key, item in pairs if item is not None]
        self._out.put_int(len(pairs))
        for key, item in pairs:
            if key is None or key != key:
                raise BadValue("a table key that is None or nan")
            yield key
            yield item

    def _object(self, value: TorchObject) -> _Inside:
        if self._again(value, OBJECT):
            return
        self._class(value.class_name, value.version)
        layout = self._layouts.get(value.class_name)
        if layout is None:
            yield value.fields
            return
        for step in layout:
            yield from self._step(step, value)

    def _step(self, step: Step, value: TorchObject) -> _Inside:
        fields = value.fields
        if step.kind == "pairs":
            self._out.put_longs((len(fields),))
            yield from chain.from_iterable(fields.items())
            return
        if step.kind == "list":
            items = fields.sequence()
            if items is None:
                raise BadValue(f"the fields of {value!r} are not 1..n, as its layout has them")
            self._out.put_longs((len(items),))
            yield from items
            return
        if step.name not in fields:
            raise BadValue(f"{value!r} has no {step.name!r}, which its layout needs")
        item = fields[step.name]
        if step.kind == "object":
            yield item
        elif step.kind == "string":
            self._text(item)
        elif step.kind == "bytes" and len(item) != step.count:
            raise BadValue(f"{step.name!r} of {value!r} has {len(item)} bytes, not {step.count}")
        elif step.kind == "long":
            self._out.put_longs((int(item),))
        else:
            getattr(self._out, f"put_{step.kind}")(
                int(item) if step.kind in ("int", "short") else item
            )

    def _storage(self, storage: Storage) -> _Inside:
        if self._again(storage, OBJECT):
            return
        element = ELEMENTS.get(storage.class_name)
        if (
            element is None
            or element.is_tensor
            or storage.data.dtype.newbyteorder("<") != element.dtype
        ):
            raise BadValue(f"a {storage.class_name} of {storage.data.dtype}")
        self._class(storage.class_name, 1)
        self._out.put_longs((len(storage.data),))
        self._out.put_elements(storage.data, is_long=element.is_long)
        yield from ()

    def _tensor(self, tensor: Tensor) -> _Inside:
        if self._again(tensor, OBJECT):
            return
        self._class(tensor.class_name, 1)
        self._out.put_int(len(tensor.size))
        self._out.put_longs(tensor.size)
        self._out.put_longs(tensor.stride)
        self._out.put_longs((tensor.offset + 1,))
        yield tensor.storage

    def _array(self, array: np.ndarray[Any, Any]) -> _Inside:
        """An array as a contiguous tensor over a storage of its own."""
        name, storage = tensor_class(array.dtype), storage_class(array.dtype)
        if name is None or storage is None or not array.ndim:
            raise BadValue(f"an array of {array.dtype} with {array.ndim} dimensions")
        if self._again(array, OBJECT):
            return
        flat = np.ascontiguousarray(array)
        shape = array.shape if array.size else ()
        self._class(name, 1)
        self._out.put_int(len(shape))
        self._out.put_longs(shape)
        self._out.put_longs(tuple(s // flat.itemsize for s in flat.strides) if shape else ())
        self._out.put_longs((1,))
        yield Storage(storage, flat.reshape(-1)) if shape else None

    def _function(self, function: Function) -> _Inside:
        if function.tag == FUNCTIONS[0]:
            self._out.put_int(function.tag)
        elif self._again(function, function.tag):
            return
        self._out.put_int(len(function.bytecode))
        self._out.put_bytes(function.bytecode)
        yield function.upvalues


def _double(value: Any) -> float:
    number = float(value) if not isinstance(value, int) or abs(value) < 1 << 1023 else math.inf
    if isinstance(value, int) and number != value:
        raise BadValue(f"{value} is no double: Lua's numbers hold integers up to 2**53")
    return number
