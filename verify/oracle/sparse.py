"""Linear modules on sparse rows: ``nn.SparseLinear`` and ``nn.IndexLinear``."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, OracleError, op
from verify.oracle.values import Sparse


@op("nn.SparseLinear")
class SparseLinear(Op):
    """y = W x + b; x is one N×2 tensor of (key from 1, value), a table of them, or B×N×2."""

    def forward(self, x: Any) -> Array:
        weight = self.params["weight"]
        rows = self._rows(x)
        y = row_sums(rows, weight.T[rows.key] * rows.value[:, None]) + self.params["bias"]
        return y[0] if _is_single(x) else y

    def backward(self, x: Any, gy: Array) -> Any:
        weight, rows, gy = self.params["weight"], self._rows(x), np.atleast_2d(gy)
        keys, sums = key_sums(rows, gy)
        self.grads["weight"].T[keys] += sums
        self.grads["bias"] += gy.sum(axis=0)
        decay = self.node.number("weightDecay", 0)
        if decay:
            self.grads["weight"] += weight.dtype.type(decay) * weight
        if not self.node.flag("doGradInput"):
            return None if isinstance(x, np.ndarray) and x.ndim == 3 else []
        pairs = np.empty((len(gy), weight.shape[1], 2), gy.dtype)
        pairs[:, :, 0] = np.arange(1, weight.shape[1] + 1)
        pairs[:, :, 1] = gy @ weight
        return pairs if isinstance(x, np.ndarray) and x.ndim == 3 else list(pairs)

    def _rows(self, x: Any) -> Sparse:
        """``x`` in columns; entries of value 0 are left out, as Torch does, whatever their key."""
        if isinstance(x, Sparse):
            return x
        tables = x if isinstance(x, list) else [x] if x.ndim == 2 else list(x)
        if any(rows.ndim != 2 or rows.shape[1] != 2 for rows in tables if rows.size):
            raise OracleError(f"{self.node}: takes N×2 tensors, got {[r.shape for r in tables]}")
        dtype = self.params["weight"].dtype
        flat = np.concatenate([rows.reshape(-1, 2) for rows in tables] or [np.empty((0, 2), dtype)])
        row = np.repeat(np.arange(len(tables)), [rows.size // 2 for rows in tables])
        used = flat[:, 1] != 0
        key, width = flat[used, 0].astype(np.int64) - 1, self.params["weight"].shape[1]
        wrong = key[(key < 0) | (key >= width)]
        if wrong.size:
            raise OracleError(f"{self.node}: key {wrong[0] + 1} is not between 1 and {width}")
        return Sparse(_splits(row[used], len(tables)), key, flat[used, 1].astype(dtype))


@op("nn.IndexLinear")
class IndexLinear(Op):
    """y = x W + b; keys and values come as two tensors, two tables, or flat with sizes.

    With ``normalize`` the weight's first four columns are, by key, the largest |value| seen, its
    inverse, a scale of updates, and a shift; a training forward raises the first, entry by entry.
    """

    def setup(self) -> None:
        self.lead = self.params["weight"].shape[1] - self.params["bias"].shape[0]
        self.full_grad = self.grads["weight"]
        self.grads["weight"] = self.full_grad[:, self.lead :]

    def forward(self, x: list[Any]) -> Array:
        rows = self._rows(x)
        if self.lead:
            self.normalized = self._normalize(rows)
        y = row_sums(
            rows, self.params["weight"][rows.key, self.lead :] * self._values(rows)[:, None]
        )
        y += self.params["bias"]
        return y[0] if _no_batch(x) else y

    def backward(self, x: list[Any], gy: Array) -> Any:
        rows, gy = self._rows(x), np.atleast_2d(gy)
        weight = self.params["weight"]
        keys, sums = key_sums(Sparse(rows.row_splits, rows.key, self._values(rows)), gy)
        self.grads["weight"][keys] += sums
        self.grads["bias"] += gy.sum(axis=0)
        if self.lead:
            shifts = (gy[rows.row] * weight[rows.key, self.lead :]).sum(axis=1)
            np.add.at(self.full_grad[:, self.lead - 1], rows.key, shifts)
        if not self.node.flag("doGradInput"):
            return []
        if self.lead:
            raise OracleError(f"{self.node}: Torch has no gradInput in max-normalize mode")
        return self._grad_input(x, gy @ weight.T)

    def _grad_input(self, x: list[Any], dense: Array) -> list[Any]:
        keys = np.broadcast_to(np.arange(1, dense.shape[1] + 1), dense.shape)
        if _no_batch(x):
            return [keys[0], dense[0]]
        return [keys, dense] if len(x) == 3 else [list(keys), list(dense)]

    def _rows(self, x: list[Any]) -> Sparse:
        keys, values, sizes = columns(x, str(self.node))
        key = keys + self.node.integer("offset", -1)
        wrong = keys[(key < 0) | (key >= len(self.params["weight"]))]
        if wrong.size:
            raise OracleError(f"{self.node}: key {wrong[0]} has no row in the weight")
        return Sparse(np.concatenate([[0], np.cumsum(sizes)]), key, values)

    def _values(self, rows: Sparse) -> Array:
        return self.normalized if self.lead else rows.value

    def _normalize(self, rows: Sparse) -> Array:
        weight, size = self.params["weight"], np.abs(rows.value)
        largest, inverse = weight[rows.key, 0], weight[rows.key, 1]
        if self.training:
            seen = running_max(rows.key, size, largest)
            raised = seen > largest
            inverse = np.where(raised, 1 / np.where(raised, seen, 1), inverse)
            largest = seen
            weight[rows.key, 0], weight[rows.key, 1] = largest, inverse  # the last entry wins
            weight[rows.key, 2] = 1
        clamped = np.where(size > largest, np.sign(rows.value), rows.value * inverse)
        return np.asarray(clamped + weight[rows.key, 3])


def columns(x: list[Any], where: str) -> tuple[Array, Array, Array]:
    """(keys, values, sizes) of any of ``nn.IndexLinear``'s forms, flat."""
    if not isinstance(x, list) or len(x) not in (2, 3):
        raise OracleError(f"{where}: takes a table {{keys, values}} or {{keys, values, sizes}}")
    if len(x) == 3:
        keys, values, sizes = x[0], x[1], np.atleast_1d(x[2]).astype(np.int64)
    elif isinstance(x[0], list):
        keys, values = np.concatenate(x[0]), np.concatenate(x[1])
        sizes = np.array([len(k) for k in x[0]], np.int64)
    else:
        keys, values, sizes = x[0], x[1], np.array([len(x[0])], np.int64)
    if keys.shape != values.shape or sizes.sum() != len(keys):
        raise OracleError(f"{where}: {keys.size} keys, {values.size} values, sizes {sizes.sum()}")
    return keys.astype(np.int64), values, sizes


def row_sums(rows: Sparse, entries: Array) -> Array:
    """Sum of the entries of each row, in their order; rows without entries give zeros."""
    sums = np.zeros((len(rows), entries.shape[1]), entries.dtype)
    filled = np.diff(rows.row_splits) > 0
    if filled.any():
        sums[filled] = np.add.reduceat(entries, rows.row_splits[:-1][filled], axis=0)
    return sums


def key_sums(rows: Sparse, gy: Array) -> tuple[Array, Array]:
    """(distinct keys, value × gradient of the row summed over each key's entries)."""
    order = np.argsort(rows.key, kind="stable")
    keys, starts = np.unique(rows.key[order], return_index=True)
    if not len(keys):
        return keys, np.zeros((0, gy.shape[1]), gy.dtype)
    entries = gy[rows.row[order]] * rows.value[order, None]
    return keys, np.add.reduceat(entries, starts, axis=0)


def running_max(key: Array, size: Array, before: Array) -> Array:
    """For each entry the largest ``size`` of its key so far, itself and ``before`` included."""
    order = np.argsort(key, kind="stable")
    segment = np.cumsum(np.diff(key[order], prepend=key[order][:1]) != 0)
    # Ranks are whole numbers, so a segment's first rank can be lifted above all of the last one.
    levels, rank = np.unique(np.maximum(size, before)[order], return_inverse=True)
    lifted = np.maximum.accumulate(rank + segment * (len(levels) + 1))
    result = np.empty_like(before)
    result[order] = levels[lifted - segment * (len(levels) + 1)]
    return result


def _splits(row: Array, batch: int) -> Array:
    return np.searchsorted(row, np.arange(batch + 1))


def _is_single(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.ndim == 2


def _no_batch(x: list[Any]) -> bool:
    return len(x) == 2 and not isinstance(x[0], list)
