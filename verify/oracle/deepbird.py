"""Layers of v1's own: discretizer, splits, residual blocks, calibration."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, OracleError, op
from verify.oracle.containers import Sequential
from verify.oracle.values import Sparse


def bisect(edges: Array, values: Array) -> Array:
    """v1's search in all rows at once: edges [n, k] and values [n] → index [n].

    Halves the range step by step, so that a value on an edge stops where v1's search stops.
    """
    n, k = edges.shape
    rows = np.arange(n)
    low, high = np.zeros(n, np.int64), np.full(n, k - 1)
    found = np.full(n, -1)
    found[values >= edges[:, -1]] = k - 1
    found[~(values > edges[:, 0])] = 0  # NaN, too
    while (found < 0).any():
        middle = (low + high) // 2
        above = np.minimum(middle + 1, k - 1)
        inside = (middle < k - 1) & (edges[rows, middle] <= values) & (values <= edges[rows, above])
        found = np.where((found < 0) & inside, middle, found)
        higher = values > edges[rows, middle]
        low, high = np.where(higher, middle, low), np.where(higher, high, middle)
    return found


@op("modules.DiscretizerLayer")
class DiscretizerLayer(Op):
    """Decoded records → bins of the known features, and all other keys moved out of their way.

    Takes anything with the columns ``row_splits``, ``key``, ``value`` (and ``field``).
    """

    def setup(self) -> None:
        self.ids = self.node.array("featureIds")
        self.edges = self.node.array("binVals")
        self.bins = self.node.array("binIds")
        config = self.node.get("config", {})
        self.size = 1 << int(config.get("outputBits") or self.node.integer("outputBits"))

    def forward(self, x: Any) -> Sparse:
        if not all(hasattr(x, column) for column in ("row_splits", "key", "value")):
            raise OracleError(f"{self.node}: takes decoded DataRecords, got {type(x).__name__}")
        spare = self.size - self.bins.size
        keys = np.asarray(x.key, np.int64)
        key = (keys.astype(np.uint64) % np.uint64(spare)).astype(np.int64) + self.bins.size
        value = np.asarray(x.value).astype(np.float32)
        for row, feature in enumerate(self.ids):
            here = np.flatnonzero(keys == feature)
            seen = np.asarray(x.value)[here].astype(self.edges.dtype)
            edges = np.broadcast_to(self.edges[row], (len(here), self.edges.shape[1]))
            key[here] = self.bins[row][bisect(edges, seen)]
            value[here] = 1.0
        return Sparse(np.asarray(x.row_splits), key, value, getattr(x, "field", None))

    def backward(self, x: Any, gy: Any) -> None:
        """Records have no gradient."""


@op("modules.IsotonicLayer")
class IsotonicLayer(Op):
    """Linear between calibrated points, clamped outside them."""

    def setup(self) -> None:
        self.xs, self.ys = self.node.array("xs"), self.node.array("ys")

    def forward(self, x: Array) -> Array:
        flat = x.ravel().astype(self.xs.dtype)
        left = bisect(np.broadcast_to(self.xs, (flat.size, self.xs.size)), flat)
        right = np.minimum(left + 1, self.xs.size - 1)
        width = self.xs[right] - self.xs[left]
        share = np.divide(flat - self.xs[left], width, out=np.zeros_like(flat), where=width > 0)
        y = self.ys[left] + (self.ys[right] - self.ys[left]) * np.clip(share, 0, 1)
        return np.asarray(y.reshape(x.shape))

    def backward(self, x: Array, gy: Array) -> Array:
        flat = x.ravel().astype(self.xs.dtype)
        left = bisect(np.broadcast_to(self.xs, (flat.size, self.xs.size)), flat)
        right = np.minimum(left + 1, self.xs.size - 1)
        width = self.xs[right] - self.xs[left]
        rise = self.ys[right] - self.ys[left]
        slope = np.divide(rise, width, out=np.zeros_like(flat), where=width > 0)
        slope[(flat <= self.xs[0]) | (flat >= self.xs[-1])] = 0
        return np.asarray(gy * slope.reshape(x.shape).astype(gy.dtype))


@op("modules.SplitLayer")
class SplitLayer(Sequential):
    """Each tower takes its own features; a table of inputs is taken as it comes."""

    def forward(self, x: Any) -> Any:
        return super().forward(self._parts(x) if isinstance(x, Sparse) else x)

    def _parts(self, x: Sparse) -> list[Sparse]:
        groups = self.node.get("splits")
        if groups is None or x.field is None:
            raise OracleError(f"{self.node}: which features feed which tower is unknown")
        return [_select(x, np.isin(x.field, np.asarray(group, np.int64))) for group in groups]


def _select(x: Sparse, chosen: Array) -> Sparse:
    before = np.concatenate([[0], np.cumsum(chosen)])
    return Sparse(before[x.row_splits], x.key[chosen], x.value[chosen])


@op("modules.ResidualLayer")
class ResidualLayer(Sequential):
    """Input plus what the layers make of it; a saved one ends in the addition itself."""

    def setup(self) -> None:
        last = self.node.children[-1] if self.node.children else None
        self.adds = last is None or last.class_name != "nn.CAddTable"

    def forward(self, x: Any) -> Any:
        y = super().forward(x)
        return x + y if self.adds else y

    def backward(self, x: Any, gy: Any) -> Any:
        gx = super().backward(x, gy)
        return gy + gx if self.adds else gx
