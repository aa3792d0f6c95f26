"""Tensors, storages and objects as Torch would allocate them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from migrate.t7.objects import Storage, Table, Tensor, TorchObject

__all__ = ["array_tensor", "empty", "long_storage", "lua", "make", "modules", "tensor"]

KINDS = {
    "uint8": "Byte",
    "int8": "Char",
    "int16": "Short",
    "int32": "Int",
    "int64": "Long",
    "float16": "Half",
    "float32": "Float",
    "float64": "Double",
}
DTYPES = {f"torch.{kind}Tensor": dtype for dtype, kind in KINDS.items()}


def array_tensor(values: Any, dtype: str = "float32") -> Tensor:
    """A contiguous Torch tensor of these values, with storage of its own."""
    data = np.ascontiguousarray(values, dtype)
    kind, shape = KINDS[dtype], data.shape
    stride = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
    storage = Storage(f"torch.{kind}Storage", data.reshape(-1))
    return Tensor(f"torch.{kind}Tensor", shape, stride, 0, storage, data.dtype)


def tensor(shape: tuple[int, ...], dtype: str = "float32", fill: float = 0.0) -> Tensor:
    """A contiguous Torch tensor with storage of its own.

    Raises:
        ValueError: no memory can hold it.
    """
    try:
        return array_tensor(np.full(shape, fill, dtype) if fill else np.zeros(shape, dtype), dtype)
    except (MemoryError, ValueError) as error:
        raise ValueError(f"a tensor of {' x '.join(map(str, shape))} is too large") from error


def empty(class_name: str) -> Tensor:
    """A tensor without elements, of a class such as ``torch.DoubleTensor``.

    Raises:
        ValueError: there is no such class.
    """
    dtype = DTYPES.get(class_name)
    if dtype is None:
        raise ValueError(f"{class_name!r} is no tensor type; there are: {', '.join(DTYPES)}")
    return Tensor(class_name, (), (), 0, None, np.dtype(dtype))


def long_storage(sizes: Sequence[int]) -> Storage:
    """A ``torch.LongStorage``."""
    return Storage("torch.LongStorage", np.array(sizes, np.int64))


def lua(value: Any) -> Any:
    """A value as Lua keeps it: every number a double, every list a table."""
    if isinstance(value, list | tuple):
        return Table(enumerate(map(lua, value), 1))
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def modules(*children: TorchObject) -> dict[str, Any]:
    """The field of a container that holds its children."""
    return {"modules": Table(enumerate(children, 1))}


def make(class_name: str, fields: Mapping[str, Any] | None = None, *children: Any) -> TorchObject:
    """A Torch object with fields, and children in its ``modules``."""
    table = Table({"_type": "torch.FloatTensor", "train": True})
    table.update(fields or {})
    if children:
        table.update(modules(*children))
    return TorchObject(class_name, 1, table)
