"""DataRecords into pieces of columns, checked as the compiled core checks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deepbird_v2.data import _tensor_walk as tensors
from deepbird_v2.data import _wire as w
from deepbird_v2.data._murmur import name_hash

if TYPE_CHECKING:
    from deepbird_v2.data._parts import Parts, Plan


class RecordReader:
    """Reads records into parts."""

    def __init__(self, plan: Plan, strict: bool) -> None:
        self.plan = plan
        self.strict = strict
        self.unknown = 0

    def read(self, cursor: w.Cursor, parts: Parts, row: int) -> None:
        """Read one DataRecord up to its stop byte."""
        while True:
            at = cursor.pos
            kind = cursor.u8("field type")
            if kind == w.STOP:
                return
            number = cursor.field_id()
            known = w.RECORD_FIELDS.get(number)
            if known is None or known[0] != kind:
                if self.strict and known is None:
                    cursor.fail(at, f"unknown field {number} of type {kind} in DataRecord")
                if self.strict and known is not None:
                    wanted = known[0]
                    cursor.fail(at, f"DataRecord field {number}: type {kind}, expected {wanted}")
                self.unknown += 1
                cursor.skip(kind)
            else:
                self._field(cursor, parts, row, number, known[1])

    def _field(
        self, cursor: w.Cursor, parts: Parts, row: int, number: int, types: tuple[int, ...]
    ) -> None:
        count = self._header(cursor, f"DataRecord field {number}", types)
        if number <= 3:
            size = count * 8 * len(types)
            at = cursor.need(size, "value")
            parts.fixed[number].append(cursor.data[at : at + size])
            parts.add(number, count, row)
        elif number == 4:
            texts, ids = cursor.texts(count, before=8)
            parts.ids.append(ids)
            parts.texts.extend(texts)
            parts.add(4, count, row)
        elif number == 5:
            for _ in range(count):
                self._sparse_binary(cursor, parts, row)
        elif number == 6:
            for _ in range(count):
                self._sparse_continuous(cursor, parts, row)
        else:
            self._uncounted(cursor, number, count)

    def _header(self, cursor: w.Cursor, what: str, types: tuple[int, ...]) -> int:
        """Read and check a container's header; returns its count, 0 when it was skipped."""
        count = cursor.container(what, types, self.strict)
        if count < 0:
            self.unknown += 1
        return max(count, 0)

    def _sparse_binary(self, cursor: w.Cursor, parts: Parts, row: int) -> None:
        at = cursor.need(8, "map key")
        count = self._header(cursor, "DataRecord field 5 set", (w.STRING,))
        parts.texts.extend(cursor.texts(count)[0])
        parts.ids.append(bytes(cursor.data[at : at + 8]) * count)
        parts.add(5, count, row)

    def _sparse_continuous(self, cursor: w.Cursor, parts: Parts, row: int) -> None:
        at = cursor.need(8, "map key")
        id_ = bytes(cursor.data[at : at + 8])
        count = self._header(cursor, "DataRecord field 6 map", (w.STRING, w.DOUBLE))
        if self.plan.name_only:
            kept = self.plan.kept
            wanted = kept is None or int.from_bytes(id_, "big", signed=True) in kept
            for _ in range(count):
                self._named_value(cursor, parts, wanted)
        else:
            texts, doubles = cursor.texts(count, after=8)
            parts.texts.extend(texts)
            parts.doubles.append(doubles)
        parts.ids.append(id_ * count)
        parts.add(6, count, row)

    def _named_value(self, cursor: w.Cursor, parts: Parts, wanted: bool) -> None:
        """A sparse continuous element whose key is the id of its name."""
        at = cursor.pos
        name = cursor.text()
        value_at = cursor.need(8, "value")
        double = bytes(cursor.data[value_at : value_at + 8])
        parts.doubles.append(double)
        is_nan = np.isnan(np.frombuffer(double, ">f8")[0])
        if not wanted or (self.plan.drop_nan and is_nan):
            parts.names.append(0)
            return
        try:
            parts.names.append(name_hash(name))
        except ValueError:
            cursor.fail(at, "sparse feature name is not valid UTF-8")

    def _uncounted(self, cursor: w.Cursor, number: int, count: int) -> None:
        """Blobs and tensors: checked, never columns."""
        for _ in range(count):
            cursor.need(8, "map key")
            if number == 7:
                cursor.text()
            elif not self.strict:
                cursor.skip(w.STRUCT)
            elif number == 8:
                tensors.general_tensor(cursor)
            else:
                tensors.sparse_tensor(cursor)
