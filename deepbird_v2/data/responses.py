"""Predictions: arrays to response bytes, and prediction records back to arrays."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepbird_v2.data.backend import core
from deepbird_v2.data.errors import DecodeError
from deepbird_v2.data.features import FeatureKind
from deepbird_v2.data.records import RecordBuffer
from deepbird_v2.data.tensors import GeneralTensor, TensorKind, encode_general_tensor

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


def encode_predictions(
    outputs: Mapping[int, ArrayLike], tensors: Mapping[int, ArrayLike] | None = None
) -> list[bytes]:
    """Encode one prediction DataRecord a row.

    Args:
        outputs: Feature id to values [B], written as continuous features (widened to double).
        tensors: Feature id to values [B, ...], each row written as a tensor: raw little-endian,
            or a StringTensor if the array holds bytes objects.

    Returns:
        B records. Fields and ids are in ascending order; an empty field is left out.

    Raises:
        ValueError: The arrays differ in length, or an output is not one-dimensional.
    """
    ids = sorted(outputs)
    columns = [np.asarray(outputs[id_], np.float64) for id_ in ids]
    arrays = {id_: np.asarray(array) for id_, array in sorted((tensors or {}).items())}
    if any(column.ndim != 1 for column in columns) or any(a.ndim < 2 for a in arrays.values()):
        raise ValueError("outputs have one dimension, tensors a batch dimension and others")
    lengths = {len(array) for array in (*columns, *arrays.values())}
    if len(lengths) > 1:
        raise ValueError(f"outputs must be equally long, not {sorted(lengths)}")
    rows = lengths.pop() if lengths else 0
    fields = [_continuous_fields(ids, columns, rows)] if ids else []
    if arrays:
        fields.append([_tensor_field(arrays, row) for row in range(rows)])
    return [b"".join((*parts, b"\0")) for parts in zip(*fields, strict=True)]


def _continuous_fields(
    ids: list[int], columns: list[NDArray[np.float64]], rows: int
) -> list[bytes]:
    """The field of continuous features, a row each."""
    table = np.empty((rows, len(ids)), _PAIR)
    table["id"] = np.array(ids, np.int64)
    table["value"] = np.stack(columns, axis=1)
    head = struct.pack(">BhBBi", 13, 2, 10, 4, len(ids))
    body = table.tobytes()
    size = len(ids) * _PAIR.itemsize
    return [head + body[at : at + size] for at in range(0, len(body), size)]


def _tensor_field(arrays: Mapping[int, NDArray[Any]], row: int) -> bytes:
    """The field of one row's tensors."""
    out = [struct.pack(">BhBBi", 13, 8, 10, 12, len(arrays))]
    for id_, array in arrays.items():
        kind = TensorKind.STRING if array.dtype == object else TensorKind.RAW
        out += (struct.pack(">q", id_), encode_general_tensor(GeneralTensor(kind, array[row])))
    return b"".join(out)


def encode_batch_response(records: Sequence[bytes]) -> bytes:
    """Encode a BatchPredictionResponse around encoded DataRecords."""
    return struct.pack(">BhBi", 15, 1, 12, len(records)) + b"".join(records) + b"\0"


def encode_response(record: bytes) -> bytes:
    """Encode a PredictionResponse around one encoded DataRecord."""
    return struct.pack(">Bh", 12, 1) + record + b"\0"
