"""The one columnar batch that training, serving and comparison share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from deepbird_v2.data.errors import DecodeError


@dataclass(frozen=True, eq=False)
class Batch:
    """B records as columns; the features of row r are ``row_splits[r]:row_splits[r + 1]``.

    Values stay float64, as on the wire: a bin boundary is compared with the value that v1 saw.
    `value32` is the column in float32.

    Attributes:
        row_splits: int64 [B + 1].
        key: int64 [nnz], the hashed key.
        value: float64 [nnz].
        field: int64 [nnz], the feature id.
        kind: uint8 [nnz], the wire field, a `FeatureKind`.
        labels: float32 [B, n_labels].
        weights: float32 [B, n_weights]; a missing weight is 0.
        unknown_fields: How many unknown or mistyped fields lenient decoding skipped.
        errors: The records that were dropped, in order.
    """

    row_splits: NDArray[np.int64]
    key: NDArray[np.int64]
    value: NDArray[np.float64]
    field: NDArray[np.int64]
    kind: NDArray[np.uint8]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]
    unknown_fields: int = 0
    errors: tuple[DecodeError, ...] = ()

    def __len__(self) -> int:
        return len(self.row_splits) - 1

    def __repr__(self) -> str:
        return f"Batch({len(self)} records, {self.nnz} features)"

    @property
    def nnz(self) -> int:
        """Number of features in all rows."""
        return len(self.key)

    @property
    def row(self) -> NDArray[np.int64]:
        """int64 [nnz], the row of each feature."""
        return np.repeat(np.arange(len(self)), np.diff(self.row_splits))

    @property
    def value32(self) -> NDArray[np.float32]:
        """float32 [nnz]; values out of range become infinite."""
        with np.errstate(over="ignore"):
            return self.value.astype(np.float32)

    def __getitem__(self, rows: slice) -> Batch:
        """Rows ``start:stop`` as views."""
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError(f"rows are sliced with step 1, not {step}")
        stop = max(start, stop)
        splits = self.row_splits[start : stop + 1]
        span = slice(int(splits[0]), int(splits[-1]))
        return Batch(
            splits - splits[0],
            self.key[span],
            self.value[span],
            self.field[span],
            self.kind[span],
            self.labels[start:stop],
            self.weights[start:stop],
        )

    def select(self, fields: ArrayLike) -> Batch:
        """All rows with only the features whose id is in `fields`."""
        mask = np.isin(self.field, np.asarray(fields, np.int64))
        before = np.zeros(self.nnz + 1, np.int64)
        np.cumsum(mask, out=before[1:])
        return Batch(
            before[self.row_splits],
            self.key[mask],
            self.value[mask],
            self.field[mask],
            self.kind[mask],
            self.labels,
            self.weights,
            self.unknown_fields,
            self.errors,
        )

    @staticmethod
    def concat(batches: Iterable[Batch]) -> Batch:
        """One batch of all rows, in order; at least one batch is needed."""
        parts: Sequence[Batch] = list(batches)
        if not parts:
            raise ValueError("nothing to concatenate: the label columns would be unknown")
        lengths = np.concatenate([np.diff(part.row_splits) for part in parts])
        splits = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=splits[1:])
        return Batch(
            splits,
            np.concatenate([part.key for part in parts]),
            np.concatenate([part.value for part in parts]),
            np.concatenate([part.field for part in parts]),
            np.concatenate([part.kind for part in parts]),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.weights for part in parts]),
            sum(part.unknown_fields for part in parts),
            tuple(error for part in parts for error in part.errors),
        )
