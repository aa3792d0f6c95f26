"""Tensors inside DataRecords, as NumPy arrays."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from deepbird_v2.data import _wire as w

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


class TensorKind(IntEnum):
    """How a tensor travels: the fields of the union GeneralTensor."""

    RAW = 1
    STRING = 2
    INT32 = 3
    INT64 = 4
    FLOAT = 5
    DOUBLE = 6
    BOOL = 7
    BINARY = 8


# Raw tensors: code on the wire <-> dtype. Content is little-endian.
_RAW_DTYPES: Final[dict[int, np.dtype[Any]]] = {
    0: np.dtype("<f4"),
    1: np.dtype("<f8"),
    2: np.dtype("<i4"),
    3: np.dtype("<i8"),
    4: np.dtype("u1"),
    6: np.dtype("i1"),
    7: np.dtype("?"),
}
_RAW_CODES: Final = {dtype: code for code, dtype in _RAW_DTYPES.items()}
# Typed lists: struct name, element type, dtype on the wire (None: strings), dtype in memory.
_LISTS: Final = {
    TensorKind.STRING: ("StringTensor", w.STRING, None, np.dtype(object)),
    TensorKind.INT32: ("Int32Tensor", w.I32, np.dtype(">i4"), np.dtype(np.int32)),
    TensorKind.INT64: ("Int64Tensor", w.I64, np.dtype(">i8"), np.dtype(np.int64)),
    TensorKind.FLOAT: ("FloatTensor", w.DOUBLE, np.dtype(">f8"), np.dtype(np.float64)),
    TensorKind.DOUBLE: ("DoubleTensor", w.DOUBLE, np.dtype(">f8"), np.dtype(np.float64)),
    TensorKind.BOOL: ("BoolTensor", w.BOOL, np.dtype("u1"), np.dtype(np.bool_)),
    TensorKind.BINARY: ("BinaryTensor", w.STRING, None, np.dtype(object)),
}


@dataclass(frozen=True, eq=False)
class GeneralTensor:
    """A dense tensor.

    Attributes:
        kind: How it travels.
        values: The array; strings are an object array of bytes. FLOAT tensors travel, and are
            held, as float64. RAW tensors keep the dtype of their content.
    """

    kind: TensorKind
    values: NDArray[Any]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, GeneralTensor)
            and self.kind == other.kind
            and self.values.dtype == other.values.dtype
            and np.array_equal(self.values, other.values)
        )

    __hash__ = None  # type: ignore[assignment]  # holds a mutable array


@dataclass(frozen=True, eq=False)
class SparseTensor:
    """A tensor of coordinates and values.

    Attributes:
        dense_shape: Size of each of the `rank` dimensions.
        indices: int64 [n, rank].
        values: n values.
    """

    dense_shape: tuple[int, ...]
    indices: NDArray[np.int64]
    values: GeneralTensor

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, SparseTensor)
            and self.dense_shape == other.dense_shape
            and np.array_equal(self.indices, other.indices)
            and self.values == other.values
        )

    __hash__ = None  # type: ignore[assignment]  # holds a mutable array


def read_general_tensor(cursor: w.Cursor, *, strict: bool) -> GeneralTensor:
    """Read one GeneralTensor.

    With `strict`, BinaryTensor and the data type BYTE are refused, as the published runtime does.

    Raises:
        DecodeError: Malformed, or a shape that does not fit the values.
    """
    last = TensorKind.BOOL if strict else TensorKind.BINARY
    found: GeneralTensor | None = None
    at = cursor.pos
    for field in _fields(cursor, "GeneralTensor", dict.fromkeys(range(1, last + 1), w.STRUCT)):
        kind = TensorKind(field)
        if found is not None:
            cursor.fail(at, "GeneralTensor has more than one field set")
        values = _read_raw(cursor, strict) if kind == TensorKind.RAW else _read_list(cursor, kind)
        found = GeneralTensor(kind, values)
    if found is None:
        cursor.fail(at, "GeneralTensor has no field set")
    return found


def read_sparse_tensor(cursor: w.Cursor, *, strict: bool) -> SparseTensor:
    """Read one SparseTensor; see `read_general_tensor`."""
    found: SparseTensor | None = None
    at = cursor.pos
    for _ in _fields(cursor, "SparseTensor", {1: w.STRUCT}):
        found = _read_coo(cursor, strict)
    if found is None:
        cursor.fail(at, "SparseTensor has no field set")
    return found


def encode_general_tensor(tensor: GeneralTensor) -> bytes:
    """Encode a GeneralTensor, its shape always written.

    Raises:
        ValueError: A raw tensor of a dtype that has no code.
    """
    values = tensor.values
    shape = _encode_longs(values.shape)
    if tensor.kind == TensorKind.RAW:
        little = values.astype(values.dtype.newbyteorder("<"))
        code = _RAW_CODES.get(little.dtype)
        if code is None:
            raise ValueError(f"a raw tensor cannot hold {values.dtype}")
        content = little.tobytes()
        body = struct.pack(">Bhi", w.I32, 1, code)
        body += struct.pack(">Bhi", w.STRING, 2, len(content)) + content
        body += struct.pack(">Bh", w.LIST, 3) + shape
    else:
        _, element, wire, _ = _LISTS[tensor.kind]
        flat = values.ravel()
        items = _encode_strings(flat.tolist()) if wire is None else flat.astype(wire).tobytes()
        body = struct.pack(">BhBi", w.LIST, 1, element, flat.size) + items
        body += struct.pack(">Bh", w.LIST, 2) + shape
    return struct.pack(">Bh", w.STRUCT, tensor.kind) + body + b"\0\0"


def encode_sparse_tensor(tensor: SparseTensor) -> bytes:
    """Encode a SparseTensor."""
    indices = encode_general_tensor(GeneralTensor(TensorKind.INT64, tensor.indices))
    return b"".join(
        (
            struct.pack(">Bh", w.STRUCT, 1),
            struct.pack(">Bh", w.LIST, 1) + _encode_longs(tensor.dense_shape),
            struct.pack(">Bh", w.STRUCT, 2) + indices[3:-1],  # the struct without its union
            struct.pack(">Bh", w.STRUCT, 3) + encode_general_tensor(tensor.values),
            b"\0\0",
        )
    )


def _fields(cursor: w.Cursor, name: str, types: dict[int, int]) -> Iterator[int]:
    """Yield the field ids of a struct; the caller reads each value."""
    while True:
        at = cursor.pos
        kind = cursor.u8("field type")
        if kind == w.STOP:
            return
        field = cursor.field_id()
        if field not in types:
            cursor.fail(at, f"unknown field {field} of type {kind} in {name}")
        if kind != types[field]:
            cursor.fail(at, f"{name} field {field}: type {kind}, expected {types[field]}")
        yield field


def _read_list(cursor: w.Cursor, kind: TensorKind) -> NDArray[Any]:
    name, element, wire, dtype = _LISTS[kind]
    values: NDArray[Any] | None = None
    shape: tuple[int, ...] | None = None
    begin = cursor.pos
    for field in _fields(cursor, name, {1: w.LIST, 2: w.LIST}):
        if field == 2:
            shape = _read_longs(cursor, f"{name} field 2")
            continue
        count = cursor.container(f"{name} field 1", (element,), strict=True)
        if wire is None:
            values = np.empty(count, object)
            values[:] = [bytes(text) for text in cursor.texts(count)[0]]
        else:
            values = _numbers(cursor, wire, count).astype(dtype)
    if values is None:
        cursor.fail(begin, f"{name} lacks field 1")
    return _shaped(cursor, begin, values, shape)


def _read_raw(cursor: w.Cursor, strict: bool) -> NDArray[Any]:
    name = "RawTypedTensor"
    dtype: np.dtype[Any] | None = None
    content: bytes | None = None
    shape: tuple[int, ...] | None = None
    begin = cursor.pos
    for field in _fields(cursor, name, {1: w.I32, 2: w.STRING, 3: w.LIST}):
        if field == 1:
            at = cursor.pos
            code = cursor.i32("value")
            dtype = _RAW_DTYPES.get(code)
            if dtype is None or (strict and dtype == np.int8):
                cursor.fail(at, f"{name} dataType {code} is not supported")
        elif field == 2:
            content = cursor.text()
        else:
            shape = _read_longs(cursor, f"{name} field 3")
    if dtype is None or content is None:
        cursor.fail(begin, f"{name} lacks field {1 if dtype is None else 2}")
    if len(content) % dtype.itemsize:
        cursor.fail(begin, f"{name}: {len(content)} bytes are no whole number of {dtype}")
    return _shaped(cursor, begin, np.frombuffer(content, dtype), shape)


def _read_coo(cursor: w.Cursor, strict: bool) -> SparseTensor:
    name = "COOSparseTensor"
    shape: tuple[int, ...] | None = None
    indices: NDArray[Any] | None = None
    values: GeneralTensor | None = None
    begin = cursor.pos
    for field in _fields(cursor, name, {1: w.LIST, 2: w.STRUCT, 3: w.STRUCT}):
        if field == 1:
            shape = _read_longs(cursor, f"{name} field 1")
        elif field == 2:
            indices = _read_list(cursor, TensorKind.INT64)
        else:
            values = read_general_tensor(cursor, strict=strict)
    if shape is None or indices is None or values is None:
        missing = [shape, indices, values].index(None) + 1
        cursor.fail(begin, f"{name} lacks field {missing}")
    count, rank = values.values.size, len(shape)
    if indices.size != count * rank:
        cursor.fail(
            begin, f"{name}: {indices.size} indices for {count} values in {rank} dimensions"
        )
    return SparseTensor(shape, indices.reshape(count, rank), values)


def _read_longs(cursor: w.Cursor, what: str) -> tuple[int, ...]:
    count = cursor.container(what, (w.I64,), strict=True)
    return tuple(_numbers(cursor, np.dtype(">i8"), count).tolist())


def _numbers(cursor: w.Cursor, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    at = cursor.need(count * dtype.itemsize, "value")
    return np.frombuffer(cursor.data[at : cursor.pos], dtype)


def _shaped(
    cursor: w.Cursor, at: int, values: NDArray[Any], shape: tuple[int, ...] | None
) -> NDArray[Any]:
    if shape is None:
        return values
    size = 1
    for dimension in shape:
        size *= dimension
    if size != values.size or min(shape, default=0) < 0:
        cursor.fail(at, f"a tensor of shape {list(shape)} with {values.size} values")
    return values.reshape(shape)


def _encode_longs(values: tuple[int, ...]) -> bytes:
    return struct.pack(f">Bi{len(values)}q", w.I64, len(values), *values)


def _encode_strings(texts: list[bytes]) -> bytes:
    return b"".join(struct.pack(">i", len(text)) + text for text in texts)
