"""Checks tensors inside a DataRecord without building them.

The rules are those of the published runtime: it knows the union fields 1 to 7 of GeneralTensor
and has no data type BYTE. A field or type it would refuse is refused here.
"""

from __future__ import annotations

from typing import Final

from deepbird_v2.data import _wire as w

# union field -> (struct name, element type of its list)
TYPED: Final = {
    2: ("StringTensor", w.STRING),
    3: ("Int32Tensor", w.I32),
    4: ("Int64Tensor", w.I64),
    5: ("FloatTensor", w.DOUBLE),
    6: ("DoubleTensor", w.DOUBLE),
    7: ("BoolTensor", w.BOOL),
}
_RAW_STRING = 5
_RAW_BYTE = 6
_RAW_LAST = 7


def _expect(cursor: w.Cursor, at: int, what: str, got: int, wanted: int) -> None:
    if got != wanted:
        cursor.fail(at, f"{what}: type {got}, expected {wanted}")


def _list(cursor: w.Cursor, what: str, element: int) -> None:
    got, count, at = cursor.list_header()
    _expect(cursor, at, f"{what} element", got, element)
    cursor.check_count(count, w.MIN_SIZE[element], at)
    if element == w.STRING:
        for _ in range(count):
            cursor.text()
    else:
        cursor.pos += count * w.FIXED_SIZE[element]


def _union(cursor: w.Cursor, name: str, last: int) -> int:
    at = cursor.pos
    kind = cursor.u8("field type")
    if kind == w.STOP:
        cursor.fail(at, f"{name} has no field set")
    field = cursor.field_id()
    if not 1 <= field <= last:
        cursor.fail(at, f"unknown field {field} of type {kind} in {name}")
    _expect(cursor, at, f"{name} field {field}", kind, w.STRUCT)
    return field


def _union_end(cursor: w.Cursor, name: str) -> None:
    at = cursor.pos
    if cursor.u8("field type") != w.STOP:
        cursor.fail(at, f"{name} has more than one field set")


def _struct(cursor: w.Cursor, name: str, types: tuple[int, ...]) -> tuple[int, int, int]:
    """Next field of a struct: (field or 0 at the end, where it begins, its type)."""
    at = cursor.pos
    kind = cursor.u8("field type")
    if kind == w.STOP:
        return 0, at, kind
    field = cursor.field_id()
    if not 1 <= field <= len(types):
        cursor.fail(at, f"unknown field {field} of type {kind} in {name}")
    _expect(cursor, at, f"{name} field {field}", kind, types[field - 1])
    return field, at, kind


def _typed(cursor: w.Cursor, name: str, element: int) -> None:
    seen = False
    while True:
        field, at, _ = _struct(cursor, name, (w.LIST, w.LIST))
        if not field:
            break
        _list(cursor, f"{name} field {field}", element if field == 1 else w.I64)
        seen |= field == 1
    if not seen:
        cursor.fail(at, f"{name} lacks field 1")


def _raw(cursor: w.Cursor) -> None:
    name = "RawTypedTensor"
    seen = [False] * 4
    data_type = 0
    while True:
        field, at, _ = _struct(cursor, name, (w.I32, w.STRING, w.LIST))
        if not field:
            break
        if field == 1:
            value_at = cursor.pos
            data_type = cursor.i32("value")
            if not 0 <= data_type <= _RAW_LAST or data_type == _RAW_BYTE:
                cursor.fail(value_at, f"{name} dataType {data_type} is not supported")
        elif field == 2:
            cursor.text()
        else:
            _list(cursor, f"{name} field 3", w.I64)
        seen[field] = True
    for field in (1, 2, 3) if data_type == _RAW_STRING else (1, 2):
        if not seen[field]:
            cursor.fail(at, f"{name} lacks field {field}")


def general_tensor(cursor: w.Cursor) -> None:
    """Step over one GeneralTensor."""
    field = _union(cursor, "GeneralTensor", 7)
    if field == 1:
        _raw(cursor)
    else:
        _typed(cursor, *TYPED[field])
    _union_end(cursor, "GeneralTensor")


def sparse_tensor(cursor: w.Cursor) -> None:
    """Step over one SparseTensor."""
    _union(cursor, "SparseTensor", 1)
    name = "COOSparseTensor"
    seen = [False] * 4
    while True:
        field, at, _ = _struct(cursor, name, (w.LIST, w.STRUCT, w.STRUCT))
        if not field:
            break
        if field == 1:
            _list(cursor, f"{name} field 1", w.I64)
        elif field == 2:
            _typed(cursor, *TYPED[4])
        else:
            general_tensor(cursor)
        seen[field] = True
    for field in (1, 2, 3):
        if not seen[field]:
            cursor.fail(at, f"{name} lacks field {field}")
    _union_end(cursor, "SparseTensor")
