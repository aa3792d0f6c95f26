"""Predictions: arrays to response bytes, and prediction records back to arrays."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepbird_v2.data.backend import core
from deepbird_v2.data.errors import DecodeError
from deepbird_v2.data.features import FeatureKind
from deepbird_v2.data.records import RecordBuffer

_PAIR = np.dtype([("id", ">i8"), ("value", ">f8")])


@dataclass(frozen=True, eq=False)
class Predictions(Mapping[int, NDArray[np.float64]]):
    """Outputs of B records by feature id; a mapping from id to float64 [B], NaN where missing.

    Attributes:
        columns: id to float64 [B].
        present: id to bool [B]: whether the record holds the output (a NaN can be a value).
    """

    columns: Mapping[int, NDArray[np.float64]]
    present: Mapping[int, NDArray[np.bool_]]

    def __getitem__(self, feature_id: int) -> NDArray[np.float64]:
        return self.columns[feature_id]

    def __iter__(self) -> Iterator[int]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


def decode_predictions(
    records: Sequence[bytes] | RecordBuffer, *, strict: bool = True
) -> Predictions:
    """Read the continuous features of prediction records straight into columns.

    Args:
        records: Encoded DataRecords, one an example.
        strict: See `deepbird_v2.data.decode_batch`.

    Raises:
        DecodeError: A record is malformed.
    """
    nothing = np.zeros(0, np.int64)
    plan = core().Plan(None, nothing, nothing, False, False)
    if isinstance(records, RecordBuffer):
        spans = (records.data, records.starts, records.ends, None)
        columns = core().decode_spans(*spans, plan, strict, False)
    else:
        columns = core().decode_list(list(records), plan, strict, False)
    splits, _, value, field, kind, _, _, _, errors = columns
    if errors:
        raise DecodeError(*errors[0])
    rows = len(splits) - 1
    row = np.repeat(np.arange(rows), np.diff(splits))
    values: dict[int, NDArray[np.float64]] = {}
    present: dict[int, NDArray[np.bool_]] = {}
    continuous = kind == FeatureKind.CONTINUOUS
    for id_ in np.unique(field[continuous]).tolist():
        mine = continuous & (field == id_)
        values[id_] = np.full(rows, np.nan)
        values[id_][row[mine]] = value[mine]
        present[id_] = np.zeros(rows, np.bool_)
        present[id_][row[mine]] = True
    return Predictions(values, present)


def encode_predictions(outputs: Mapping[int, ArrayLike]) -> list[bytes]:
    """Encode one prediction DataRecord a row.

    Args:
        outputs: Feature id to values [B] (widened to double). Ids are written in ascending order.

    Returns:
        B records, each a map of continuous features.

    Raises:
        ValueError: The arrays differ in length, or are not one-dimensional.
    """
    ids = sorted(outputs)
    columns = [np.asarray(outputs[id_], np.float64) for id_ in ids]
    shapes = {column.shape for column in columns}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise ValueError(f"outputs must be equally long vectors, not of shapes {sorted(shapes)}")
    if not ids:
        return []
    table = np.empty((len(columns[0]), len(ids)), _PAIR)
    table["id"] = np.array(ids, np.int64)
    table["value"] = np.stack(columns, axis=1)
    head = struct.pack(">BhBBi", 13, 2, 10, 4, len(ids))
    body = table.tobytes()
    size = len(ids) * _PAIR.itemsize
    return [head + body[at : at + size] + b"\0" for at in range(0, len(body), size)]


def encode_batch_response(records: Sequence[bytes]) -> bytes:
    """Encode a BatchPredictionResponse around encoded DataRecords."""
    return struct.pack(">BhBi", 15, 1, 12, len(records)) + b"".join(records) + b"\0"


def encode_response(record: bytes) -> bytes:
    """Encode a PredictionResponse around one encoded DataRecord."""
    return struct.pack(">Bh", 12, 1) + record + b"\0"
