"""What a ``.t7`` file holds, as Python values that lose nothing.

=============  =========================================================================
Lua            here
=============  =========================================================================
nil            ``None``
number         ``float`` (always: ``3`` and ``3.0`` are one number in Lua)
string         ``str``, UTF-8 with ``surrogateescape`` so that any bytes round-trip
boolean        ``bool``; as a table key :class:`BoolKey`, for ``True == 1.0`` in Python
table          :class:`Table`, compared and hashed by identity as Lua does
function       :class:`Function`, opaque bytes that nothing here ever runs
torch tensor   :class:`Tensor` over a :class:`Storage`
other object   :class:`TorchObject`
=============  =========================================================================
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["BoolKey", "Function", "Storage", "Table", "Tensor", "TorchObject"]


class BoolKey(enum.Enum):
    """A boolean used as a table key."""

    FALSE = False
    TRUE = True


class Table(dict[Any, Any]):
    """A Lua table. Two tables are equal only when they are one table."""

    __slots__ = ()
    __hash__ = object.__hash__  # type: ignore[assignment]  # dict has none, a Lua table has

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __repr__(self) -> str:
        return f"<Table of {len(self)}>"

    def sequence(self) -> list[Any] | None:
        """The values of keys 1..n in order, or None when the table has any other key."""
        try:
            return [self[i] for i in range(1, len(self) + 1)]
        except KeyError:
            return None


@dataclass(eq=False, slots=True)
class Storage:
    """A flat run of elements that tensors share.

    Attributes:
        class_name: as in the file, e.g. ``torch.FloatStorage`` or ``torch.CudaStorage``.
        data: 1-D array; a read-only view of the file where it was memory-mapped.
    """

    class_name: str
    data: np.ndarray[Any, Any]


@dataclass(eq=False, slots=True)
class Tensor:
    """A strided view of a storage.

    Attributes:
        class_name: as in the file, e.g. ``torch.FloatTensor``.
        size: shape; empty for a tensor without elements and dimensions.
        stride: in elements, one a dimension.
        offset: 0-based, in elements.
        storage: None for a tensor that never had one.
        dtype: of the elements, known even without a storage.
    """

    class_name: str
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    storage: Storage | None
    dtype: np.dtype[Any]

    def numpy(self) -> np.ndarray[Any, Any]:
        """The elements as an array of shape ``size``: a view of the storage, never a copy.

        A tensor without dimensions (Torch's empty tensor) gives shape ``(0,)``.
        """
        if self.storage is None or not self.size:
            return np.empty((0,), self.dtype)
        data = self.storage.data
        strides = tuple(s * data.itemsize for s in self.stride)
        if 0 in self.size:
            return np.empty(self.size, self.dtype)
        return np.lib.stride_tricks.as_strided(
            data[self.offset :], self.size, strides, writeable=False
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.numpy(), dtype=dtype, copy=copy)


@dataclass(eq=False, slots=True)
class Function:
    """A Lua function: its dump and upvalues, never executed.

    Attributes:
        bytecode: what ``string.dump`` gave.
        upvalues: as the file has them (a table, or nil).
        tag: the type tag, 6, 7 or 8.
    """

    bytecode: bytes
    upvalues: Any
    tag: int = 8


@dataclass(eq=False, slots=True)
class TorchObject:
    """An object of a Torch class.

    Attributes:
        class_name: e.g. ``nn.Linear``.
        version: n of the ``V n`` header; None in files from before versions existed.
        fields: what the class wrote. The default is the object's table; a class with its own
            ``write`` has its values here under the names that its layout gives.
    """

    class_name: str
    version: int | None = 1
    fields: Table = field(default_factory=Table)

    def get(self, key: Any, default: Any = None) -> Any:
        """The field ``key``, or ``default``."""
        return self.fields.get(key, default)

    def __getitem__(self, key: Any) -> Any:
        return self.fields[key]

    def __contains__(self, key: Any) -> bool:
        return key in self.fields

    def __repr__(self) -> str:
        return f"<{self.class_name}>"
