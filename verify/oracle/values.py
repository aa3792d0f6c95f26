"""The values that flow through the oracle: arrays, lists (Torch tables), sparse batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from verify.oracle.base import Array, OracleError

__all__ = ["Sparse", "add_grads"]


@dataclass(frozen=True, eq=False)
class Sparse:
    """Rows of (key, value) pairs, as a Torch table of N×2 tensors, in columns.

    Attributes:
        row_splits: int64[batch + 1].
        key: int64[nnz], 0-based.
        value: [nnz].
        field: int64[nnz] feature id each entry came from, or None where nobody needs it.
    """

    row_splits: Array
    key: Array
    value: Array
    field: Array | None = None

    def __len__(self) -> int:
        return len(self.row_splits) - 1

    @property
    def row(self) -> Array:
        """int64[nnz]: the row of each entry."""
        return np.repeat(np.arange(len(self)), np.diff(self.row_splits))


def add_grads(grads: list[Any]) -> Any:
    """The sum of gradients of one input that several modules took; tables add entry by entry.

    Tables may differ in length, for ``nn.SparseLinear`` gives an empty one; the sum has the length
    of the last, as in ``nn.ConcatTable``.
    """
    first = grads[0]
    if isinstance(first, list):
        return [add_grads([g[i] for g in grads if i < len(g)]) for i in range(len(grads[-1]))]
    if any(g is None for g in grads):
        return None
    if not all(isinstance(g, np.ndarray) for g in grads):
        raise OracleError(f"cannot add gradients of {[type(g).__name__ for g in grads]}")
    total = first.copy()
    for g in grads[1:]:
        total += g
    return total
