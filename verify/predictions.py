"""Sets of predictions: named columns beside the ids of their rows, whatever file they came from."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from verify.compare.values import Array
from verify.prediction_files import numbers_of, read_columns

# Columns recognised by name when the caller does not say which they are.
ID_NAMES = ("id", "row_id", "example_id", "record_id", "request_id")
GROUP_NAMES = ("group", "group_id", "request_id", "query_id")
LABEL_NAMES = ("label", "labels", "target")


class PredictionError(ValueError):
    """A prediction file cannot be used; the message says what it holds and what to do."""


@dataclass(frozen=True, slots=True)
class PredictionSet:
    """Columns of predictions, one row an example.

    Attributes:
        columns: name → values, [rows] or [rows, width], in the dtype of the source.
        ids: Arrow array of int64, uint64, string or binary ids; None when the source has none and
            a row is known by its position alone.
        labels: float64 [rows] in [0, 1], or None.
        groups: Arrow array [rows] of what a ranking belongs to (a request); None without.
        source: What it came from, for reports.
        sha256: Of the file, hexadecimal; empty for data from memory.
        has_dtypes: False for text and records, which do not say what precision was computed in.
        ignored: Columns that hold no numbers.
    """

    columns: Mapping[str, Array]
    ids: Any = None
    labels: NDArray[np.float64] | None = None
    groups: Any = None
    source: str = "memory"
    sha256: str = ""
    has_dtypes: bool = True
    ignored: tuple[str, ...] = ()
    rows: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        lengths = {name: len(values) for name, values in self.columns.items()}
        for name, aside in (("ids", self.ids), ("labels", self.labels), ("groups", self.groups)):
            if aside is not None:
                lengths[name] = len(aside)
        if len(set(lengths.values())) > 1:
            raise PredictionError(f"{self.source}: columns differ in length: {lengths}")
        if self.labels is not None and not _are_labels(self.labels):
            raise PredictionError(f"{self.source}: labels must be in [0, 1], without gaps")
        object.__setattr__(self, "rows", next(iter(lengths.values()), 0))

    @classmethod
    def from_arrays(
        cls,
        columns: Mapping[str, Array],
        *,
        ids: Any = None,
        labels: Array | None = None,
        groups: Any = None,
        source: str = "memory",
    ) -> PredictionSet:
        """Make a set from arrays.

        Args:
            columns: name → [rows] or [rows, width].
            ids: Integers, strings or bytes, one a row.
            labels: Numbers, one a row.
            groups: Integers, strings or bytes, one a row.
            source: What it came from.

        Raises:
            PredictionError: Lengths differ, or ids are missing or of another kind.
        """
        return cls(
            columns={name: np.asarray(values) for name, values in columns.items()},
            ids=None if ids is None else _keys(pa.array(ids), "ids", source),
            labels=None if labels is None else np.asarray(labels, np.float64),
            groups=None if groups is None else _keys(pa.array(groups), "groups", source),
            source=source,
        )

    def row_name(self, row: int) -> str:
        """Say which row this is: its id, or its position."""
        return f"row {row}" if self.ids is None else f"id {self.ids[row].as_py()}"

    def select(self, names: Iterable[str]) -> PredictionSet:
        """Keep some columns, in the order given.

        Raises:
            PredictionError: A column does not exist.
        """
        return replace_columns(self, {name: self.columns[self._known(name)] for name in names})

    def _known(self, name: str) -> str:
        if name not in self.columns:
            raise PredictionError(missing_column(self.source, name, self.columns))
        return name


def replace_columns(predictions: PredictionSet, columns: Mapping[str, Array]) -> PredictionSet:
    """Return the same set with other columns."""
    return replace(predictions, columns=columns)


def load_predictions(
    path: str | Path,
    *,
    id_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    columns: Iterable[str] | None = None,
) -> PredictionSet:
    """Read predictions from a file, whose content says its format.

    Args:
        path: Parquet, CSV, JSON lines, npz, or a block-format file of prediction DataRecords
            (plain, lzop, gzip). Records have no ids, and their columns are named by feature id.
        id_column: Column of ids; default: the first of `ID_NAMES` that exists.
        label_column: Column of labels in [0, 1]; default: the first of `LABEL_NAMES` that exists
            and holds such.
        group_column: Column of groups; default: the first of `GROUP_NAMES` that exists.
        columns: Columns to keep; default: all that hold numbers. For records these may be the
            names that the feature ids are hashes of.

    Returns:
        The predictions.

    Raises:
        PredictionError: The file cannot be read as any of these, or a named column is missing.
        OSError: The file cannot be opened.
    """
    path = Path(path)
    texts = {*ID_NAMES, *GROUP_NAMES, *(name for name in (id_column, group_column) if name)}
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        head = file.read(4096)
    try:
        predictions = _from_columns(
            *read_columns(path, head, texts), str(path), id_column, label_column, group_column
        )
    except (pa.ArrowException, BadZipFile, ValueError, KeyError) as error:
        if isinstance(error, PredictionError):
            raise
        raise PredictionError(f"{path}: cannot read predictions: {error}") from error
    if columns is not None:
        wanted = list(columns)
        predictions = named_by_feature(predictions, wanted).select(wanted)
    return replace(predictions, sha256=digest)


def named_by_feature(predictions: PredictionSet, names: Iterable[str]) -> PredictionSet:
    """Name columns of feature ids by the names they are hashes of.

    Args:
        predictions: Columns named by decimal feature ids, for example from records.
        names: Names that may occur; others are left alone.
    """
    if not any(name.removeprefix("-").isdecimal() for name in predictions.columns):
        return predictions
    from deepbird_v2.data import feature_id

    known = {str(feature_id(name)): name for name in names}
    return replace_columns(
        predictions, {known.get(name, name): v for name, v in predictions.columns.items()}
    )


def missing_column(source: str, name: str, existing: Iterable[str]) -> str:
    """Say that a column is missing, which exist, and which was probably meant."""
    there = list(existing)
    near = difflib.get_close_matches(name, there, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{source}: no column {name!r}{hint} There are: {', '.join(there) or 'none'}"


def _from_columns(
    found: dict[str, Any],
    has_dtypes: bool,
    source: str,
    id_column: str | None,
    label_column: str | None,
    group_column: str | None,
) -> PredictionSet:
    def take(name: str | None, usual: tuple[str, ...]) -> tuple[str, Any] | None:
        if name is not None and name not in found:
            raise PredictionError(missing_column(source, name, found))
        name = name or next((candidate for candidate in usual if candidate in found), None)
        return None if name is None else (name, found.pop(name))

    ids = take(id_column, ID_NAMES)
    groups = take(group_column, GROUP_NAMES)
    labels = take(label_column, LABEL_NAMES)
    label_values = None if labels is None else numbers_of(labels[1])
    if labels is not None and (label_values is None or not _are_labels(label_values)):
        if label_column is not None:
            raise PredictionError(
                f"{source}: label column {label_column!r} must hold numbers in [0, 1], without gaps"
            )
        found, label_values = {labels[0]: labels[1], **found}, None
    numbers = {name: numbers_of(values) for name, values in found.items()}
    return PredictionSet(
        columns={name: values for name, values in numbers.items() if values is not None},
        ids=None if ids is None else _keys(pa.array(ids[1]), ids[0], source),
        labels=None if label_values is None else label_values.astype(np.float64),
        groups=None if groups is None else _keys(pa.array(groups[1]), groups[0], source),
        source=source,
        has_dtypes=has_dtypes,
        ignored=tuple(name for name, values in numbers.items() if values is None),
    )


def _are_labels(values: Array) -> bool:
    return values.ndim == 1 and bool(np.all((values >= 0) & (values <= 1)))


def _keys(values: Any, name: str, source: str) -> Any:
    """Return ids or groups as int64, uint64, string or binary; text of integers as integers."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if values.null_count:
        row = pc.index(values.is_null(), True).as_py()
        raise PredictionError(
            f"{source}: column {name!r} lacks {values.null_count} of {len(values)} ids, first in "
            f"row {row}; every row needs one"
        )
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _keys(values.dictionary_decode(), name, source)
    if pa.types.is_integer(kind):
        return values.cast(pa.uint64() if pa.types.is_uint64(kind) else pa.int64())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return values.cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return values.cast(pa.large_binary())
    if pa.types.is_null(kind) and not len(values):
        return values.cast(pa.int64())
    raise PredictionError(
        f"{source}: column {name!r} of type {kind} cannot identify rows; use integers, strings or "
        "bytes"
    )
