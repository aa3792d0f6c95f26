"""Requests and responses of the prediction service, as objects."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from deepbird_v2.data import _wire as w
from deepbird_v2.data.backend import core
from deepbird_v2.data.errors import DecodeError
from deepbird_v2.data.record import DataRecord, encode_record, read_record
from deepbird_v2.data.responses import encode_batch_response, encode_response


@dataclass
class BatchPredictionRequest:
    """Records to score, and the features that all of them share."""

    records: list[DataRecord] = field(default_factory=list)
    common: DataRecord | None = None

    def encode(self) -> bytes:
        """The request as Thrift bytes."""
        out = struct.pack(">BhBi", w.LIST, 1, w.STRUCT, len(self.records))
        out += b"".join(map(encode_record, self.records))
        if self.common is not None:
            out += struct.pack(">Bh", w.STRUCT, 2) + encode_record(self.common)
        return out + b"\0"

    @classmethod
    def decode(cls, data: bytes, *, strict: bool = True) -> BatchPredictionRequest:
        """Read a request; see `decode_record` for `strict` and the error."""
        records, common = _read_batch(data, strict)
        return cls(records, common)


@dataclass
class BatchPredictionResponse:
    """One prediction record a scored record."""

    predictions: list[DataRecord] = field(default_factory=list)

    def encode(self) -> bytes:
        """The response as Thrift bytes."""
        return encode_batch_response([encode_record(record) for record in self.predictions])

    @classmethod
    def decode(cls, data: bytes, *, strict: bool = True) -> BatchPredictionResponse:
        """Read a response; see `decode_record` for `strict` and the error."""
        return cls(_read_batch(data, strict)[0])


@dataclass
class PredictionRequest:
    """One record to score."""

    features: DataRecord

    def encode(self) -> bytes:
        """The request as Thrift bytes."""
        return encode_response(encode_record(self.features))

    @classmethod
    def decode(cls, data: bytes, *, strict: bool = True) -> PredictionRequest:
        """Read a request; see `decode_record` for `strict` and the error."""
        return cls(_read_single(data, "PredictionRequest", strict))


@dataclass
class PredictionResponse:
    """The prediction for one record."""

    prediction: DataRecord

    def encode(self) -> bytes:
        """The response as Thrift bytes."""
        return encode_response(encode_record(self.prediction))

    @classmethod
    def decode(cls, data: bytes, *, strict: bool = True) -> PredictionResponse:
        """Read a response; see `decode_record` for `strict` and the error."""
        return cls(_read_single(data, "PredictionResponse", strict))


def _read_batch(data: bytes, strict: bool) -> tuple[list[DataRecord], DataRecord | None]:
    starts, ends, common, error = core().request_spans(data, strict)
    if error is not None:
        record, offset, reason = error
        raise DecodeError(None if record < 0 else record, offset, reason)
    records = []
    for index, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        try:
            records.append(read_record(w.Cursor(data, start, end), strict=strict))
        except DecodeError as caught:
            raise DecodeError(index, caught.offset, caught.reason) from None
    shared = None if common is None else read_record(w.Cursor(data, *common), strict=strict)
    return records, shared


def _read_single(data: bytes, name: str, strict: bool) -> DataRecord:
    cursor = w.Cursor(data)
    found = None
    while kind := cursor.u8("field type"):
        at = cursor.pos - 1
        number = cursor.field_id()
        if number == 1 and kind == w.STRUCT:
            found = read_record(cursor, strict=strict)
        elif strict:
            cursor.fail(at, f"unknown field {number} of type {kind} in {name}")
        else:
            cursor.skip(kind)
    if found is None:
        cursor.fail(cursor.pos - 1, f"{name} lacks field 1")
    return found
