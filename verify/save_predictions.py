"""Predictions to a file: the suffix says the format, and the file appears only when complete."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from verify.report.write import write_atomically

__all__ = ["FORMATS", "save_predictions"]

Columns = Mapping[str, np.ndarray[Any, Any]]


def save_predictions(path: str | Path, columns: Columns) -> None:
    """Write named columns of equal length.

    Args:
        path: ``.parquet``, ``.csv``, ``.jsonl``, ``.npz``; ``.lzo``, ``.gz`` or ``.block`` for
            prediction DataRecords, one a row, keyed by the feature ids of the names.
        columns: name → [rows].

    Raises:
        ValueError: the suffix is none of these.
    """
    target = Path(path)
    write = FORMATS.get(target.suffix)
    if write is None:
        raise ValueError(f"{target}: cannot write {target.suffix!r}; know {', '.join(FORMATS)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    write(target, columns)


def _parquet(path: Path, columns: Columns) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    scratch = path.with_name(f".{path.name}.tmp")
    pq.write_table(pa.table({name: np.asarray(v) for name, v in columns.items()}), scratch)
    scratch.replace(path)


def _csv(path: Path, columns: Columns) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    # repr of a NumPy scalar's Python twin is the shortest text that reads back as the same number
    cells = [[repr(v) for v in column.tolist()] for column in columns.values()]
    writer.writerows(zip(*cells, strict=True))
    write_atomically(path, text.getvalue())


def _jsonl(path: Path, columns: Columns) -> None:
    names = list(columns)
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    lines = (json.dumps(dict(zip(names, row, strict=True))) for row in rows)
    write_atomically(path, "".join(f"{line}\n" for line in lines))


def _npz(path: Path, columns: Columns) -> None:
    scratch = path.with_name(f".{path.name}.tmp.npz")
    np.savez(scratch, allow_pickle=False, **dict(columns))
    scratch.replace(path)


def _records(path: Path, columns: Columns) -> None:
    from deepbird_v2.data.block_format import write_records
    from deepbird_v2.data.feature_ids import feature_id
    from deepbird_v2.data.responses import encode_predictions

    write_records(path, encode_predictions({feature_id(n): v for n, v in columns.items()}))


FORMATS: dict[str, Callable[[Path, Columns], None]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".npz": _npz,
    ".lzo": _records,
    ".gz": _records,
    ".block": _records,
}
