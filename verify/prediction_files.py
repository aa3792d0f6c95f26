"""Columns out of a file, by what its first bytes say it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from verify.compare.values import Array

# Columns by name, as NumPy or Arrow arrays, and whether their dtypes mean anything.
Columns = tuple[dict[str, Any], bool]


def read_columns(path: Path, head: bytes, texts: set[str]) -> Columns:
    """Read all columns of a file.

    Args:
        path: The file.
        head: Its first bytes, which say what it is.
        texts: Columns of CSV to read as text, whatever they look like.

    Raises:
        ValueError: The file is empty or damaged (also `zipfile.BadZipFile`, `pa.ArrowException`).
    """
    return _reader(path, head)(path, texts)


def _reader(path: Path, head: bytes) -> Callable[[Path, set[str]], Columns]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if head.startswith(b"PAR1"):
        return _parquet
    if head.startswith(b"PK\x03\x04"):
        return _npz
    if ".csv" in suffixes or ".tsv" in suffixes:
        return _csv
    if ".jsonl" in suffixes or ".ndjson" in suffixes or head.lstrip().startswith(b"{"):
        return _jsonl
    binary = b"\0" in head or head.startswith((b"\x89LZO", b"\x1f\x8b", b"\x29\xd8\xd5\x06"))
    if binary or ".lzo" in suffixes or ".block" in suffixes:
        return _records
    if not head:
        raise ValueError("the file is empty")
    return _csv


def _parquet(path: Path, _texts: set[str]) -> Columns:
    import pyarrow.parquet as pq

    return _arrow_columns(pq.read_table(path, memory_map=True)), True


def _csv(path: Path, texts: set[str]) -> Columns:
    from pyarrow import csv

    # ids are read as text: as numbers, those beyond 2^63 would be rounded and become duplicates
    parse = csv.ParseOptions(delimiter="\t" if ".tsv" in path.suffixes else ",")
    convert = csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string()))
    return _arrow_columns(csv.read_csv(path, parse_options=parse, convert_options=convert)), False


def _jsonl(path: Path, _texts: set[str]) -> Columns:
    from pyarrow import json

    return _arrow_columns(json.read_json(path)), False


def _arrow_columns(table: Any) -> dict[str, Any]:
    repeated = [name for name in set(table.column_names) if table.column_names.count(name) > 1]
    if repeated:
        raise ValueError(f"column {repeated[0]!r} appears more than once")
    return {name: table[name].combine_chunks() for name in table.column_names}


def _npz(path: Path, _texts: set[str]) -> Columns:
    # np.load keeps a file open that it cannot read, unless the file is ours
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}, True


def _records(path: Path, _texts: set[str]) -> Columns:
    from deepbird_v2.data import decode_predictions, read_records

    predictions = decode_predictions(read_records(path))
    # the wire knows doubles alone, whatever precision the model computed in
    return {str(feature): predictions[feature] for feature in sorted(predictions)}, False


def numbers_of(values: Any) -> Array | None:
    """Return a column as numbers, a missing value as NaN; None if it holds something else."""
    if isinstance(values, np.ndarray):
        return values if values.dtype.kind in "fiub" and values.ndim else None
    kind = values.type
    if pa.types.is_null(kind):
        return np.full(len(values), np.nan)
    if pa.types.is_fixed_size_list(kind) and not values.null_count:
        inner = numbers_of(values.flatten())
        return None if inner is None else inner.reshape(len(values), kind.list_size)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        if values.null_count and not pa.types.is_floating(kind):
            values = values.cast(pa.float64())
        array: Array = values.to_numpy(zero_copy_only=False)
        return array
    return None
