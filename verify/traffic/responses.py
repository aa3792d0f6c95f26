"""Recorded answers as a stream beside the requests, in the order of the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deepbird_v2.data import decode_predictions, feature_id
from deepbird_v2.data.block_format import MARKER
from deepbird_v2.data.compression import GZIP_MAGIC
from deepbird_v2.data.lzop import LZOP_MAGIC
from verify.prediction_files import numbers_of
from verify.predictions import GROUP_NAMES, LABEL_NAMES, PredictionSet, load_predictions
from verify.traffic.records import ROWS, is_parquet, record_chunks

__all__ = ["Answers", "Responses"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """Some rows of recorded answers.

    Attributes:
        columns: Output → float64 [rows]; a missing answer is NaN.
        labels: float64 [rows], or None where the file has none.
        groups: Arrow array [rows] of what a ranking belongs to, or None.
        rows: How many.
    """

    columns: dict[str, Floats]
    labels: Floats | None
    groups: Any
    rows: int


class Responses:
    """A file of answers, read in step with the requests.

    Args:
        path: Block file of prediction DataRecords or Parquet, which are streamed, or any other
            prediction file, which is read whole.
        outputs: Columns to read.
        group: Column of what a ranking belongs to; default: a column of a usual name.

    Raises:
        PredictionError, DataError: The file cannot be read.
        OSError: The file cannot be opened.
    """

    def __init__(self, path: str | Path, outputs: Sequence[str], group: str | None = None) -> None:
        self.path, self.outputs = Path(path), tuple(outputs)
        self.group_names = (group,) if group else GROUP_NAMES
        self._pieces = self._open()
        self._rest: Answers | None = next(self._pieces, None)

    @property
    def present(self) -> tuple[str, ...]:
        """Outputs that the file holds, judged by its first rows."""
        return () if self._rest is None else tuple(self._rest.columns)

    @property
    def has_groups(self) -> bool:
        """Whether the file says what a ranking belongs to."""
        return self._rest is not None and self._rest.groups is not None

    def take(self, rows: int) -> Answers:
        """Return the next rows; fewer at the end of the file."""
        parts: list[Answers] = []
        wanted = rows
        while wanted and self._rest is not None:
            part = _rows(self._rest, 0, wanted)
            left = self._rest.rows - part.rows
            self._rest = _rows(self._rest, part.rows, left) if left else next(self._pieces, None)
            wanted -= part.rows
            parts.append(part)
        return _joined(parts, self.outputs)

    def remaining(self) -> int:
        """Read to the end and count what is left."""
        rows = 0
        while self._rest is not None:
            rows += self._rest.rows
            self._rest = next(self._pieces, None)
        return rows

    def _open(self) -> Iterator[Answers]:
        if is_parquet(self.path):
            return self._parquet()
        with self.path.open("rb") as file:
            head = file.read(len(MARKER))
        if head.startswith((MARKER, LZOP_MAGIC, GZIP_MAGIC)) or self.path.suffix == ".lzo_deflate":
            return self._records()
        return iter([self._whole()])

    def _parquet(self) -> Iterator[Answers]:
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path) as file:
            names = file.schema_arrow.names
            group = next((name for name in self.group_names if name in names), None)
            label = next((name for name in LABEL_NAMES if name in names), None)
            wanted = [n for n in names if n in (*self.outputs, group, label)]
            for batch in file.iter_batches(ROWS, columns=wanted):
                numbers = {
                    n: numbers_of(batch.column(n)) for n in batch.schema.names if n in self.outputs
                }
                columns = {
                    n: np.asarray(v, np.float64)
                    for n, v in numbers.items()
                    if v is not None and v.ndim == 1
                }
                labels = None if label is None else numbers_of(batch.column(label))
                yield Answers(
                    columns,
                    None if labels is None else np.asarray(labels, np.float64),
                    None if group is None else batch.column(group),
                    len(batch),
                )

    def _records(self) -> Iterator[Answers]:
        ids = {name: feature_id(name) for name in self.outputs}
        for records in record_chunks(self.path):
            found = decode_predictions(records)
            columns = {name: found[id_] for name, id_ in ids.items() if id_ in found}
            yield Answers(columns, None, None, len(records))

    def _whole(self) -> Answers:
        found: PredictionSet = load_predictions(self.path)
        named = {
            name: np.asarray(found.columns[name], np.float64)
            for name in self.outputs
            if name in found.columns and found.columns[name].ndim == 1
        }
        return Answers(named, found.labels, found.groups, found.rows)


def _rows(answers: Answers, start: int, count: int) -> Answers:
    part = slice(start, start + count)
    return Answers(
        {name: values[part] for name, values in answers.columns.items()},
        None if answers.labels is None else answers.labels[part],
        None if answers.groups is None else answers.groups.slice(start, count),
        min(count, answers.rows - start),
    )


def _joined(parts: list[Answers], outputs: Sequence[str]) -> Answers:
    rows = sum(part.rows for part in parts)
    columns = {
        name: np.concatenate([part.columns.get(name, np.full(part.rows, np.nan)) for part in parts])
        for name in outputs
        if any(name in part.columns for part in parts)
    }
    labels = [part.labels for part in parts if part.labels is not None]
    groups = [part.groups for part in parts if part.groups is not None]
    return Answers(
        columns,
        np.concatenate(labels) if labels and len(labels) == len(parts) else None,
        pa.concat_arrays(groups) if groups and len(groups) == len(parts) else None,
        rows,
    )
