"""Modules that take tables apart, join them, and pick from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, OracleError, op
from verify.oracle.dims import axis_of, zeros
from verify.oracle.values import add_grads


@op("nn.JoinTable")
class JoinTable(Op):
    """All entries in one tensor, one after the other along a dimension."""

    def forward(self, x: list[Array]) -> Array:
        return np.concatenate(x, axis=axis_of(self.node, x[0].ndim))

    def backward(self, x: list[Array], gy: Array) -> list[Array]:
        axis = axis_of(self.node, x[0].ndim)
        ends = np.cumsum([entry.shape[axis] for entry in x])[:-1]
        return [np.array(grad) for grad in np.split(gy, ends, axis=axis)]


@op("nn.SplitTable")
class SplitTable(Op):
    """The entries of a dimension as a table."""

    def forward(self, x: Array) -> list[Array]:
        return list(np.moveaxis(x, axis_of(self.node, x.ndim), 0))

    def backward(self, x: Array, gy: list[Array]) -> Array:
        return np.stack(gy, axis=axis_of(self.node, x.ndim))


@op("nn.SelectTable")
class SelectTable(Op):
    """One entry; a negative index counts from the end."""

    def _place(self, x: list[Any]) -> int:
        index = self.node.integer("index")
        place = index + len(x) if index < 0 else index - 1
        if not 0 <= place < len(x):
            raise OracleError(f"{self.node}: a table of {len(x)} has no entry {index}")
        return place

    def forward(self, x: list[Any]) -> Any:
        return x[self._place(x)]

    def backward(self, x: list[Any], gy: Any) -> list[Any]:
        place = self._place(x)
        return [gy if i == place else zeros(entry) for i, entry in enumerate(x)]


@op("nn.NarrowTable")
class NarrowTable(Op):
    """A run of entries."""

    def _run(self, x: list[Any]) -> range:
        first = self.node.integer("offset") - 1
        last = first + self.node.integer("length", 1)
        if not 0 <= first < last <= len(x):
            raise OracleError(
                f"{self.node}: a table of {len(x)} has no entries {first + 1}..{last}"
            )
        return range(first, last)

    def forward(self, x: list[Any]) -> list[Any]:
        return [x[i] for i in self._run(x)]

    def backward(self, x: list[Any], gy: list[Any]) -> list[Any]:
        run = self._run(x)
        return [gy[run.index(i)] if i in run else zeros(entry) for i, entry in enumerate(x)]


@op("nn.FlattenTable")
class FlattenTable(Op):
    """Tables within tables as one table."""

    def forward(self, x: Any) -> list[Any]:
        return [leaf for entry in x for leaf in self.forward(entry)] if isinstance(x, list) else [x]

    def backward(self, x: Any, gy: list[Any]) -> Any:
        left = iter(gy)

        def nest(entry: Any) -> Any:
            return [nest(e) for e in entry] if isinstance(entry, list) else next(left)

        return nest(x)


@op("nn.ZipTable")
class ZipTable(Op):
    """Tables of rows as tables of columns."""

    def forward(self, x: list[list[Any]]) -> list[list[Any]]:
        return [list(column) for column in zip(*x, strict=True)]

    def backward(self, x: list[list[Any]], gy: list[list[Any]]) -> list[list[Any]]:
        return [list(row) for row in zip(*gy, strict=True)]


@op("nn.ZipTableOneToMany")
class ZipTableOneToMany(Op):
    """The first entry paired with each entry of the table that is second."""

    def forward(self, x: list[Any]) -> list[list[Any]]:
        return [[x[0], entry] for entry in x[1]]

    def backward(self, x: list[Any], gy: list[list[Any]]) -> list[Any]:
        return [add_grads([pair[0] for pair in gy]), [pair[1] for pair in gy]]


@op("nn.Index")
class Index(Op):
    """Entries of a dimension in the order of a vector of 1-based indices."""

    def forward(self, x: list[Array]) -> Any:
        values, index = x
        axis = self.node.integer("dimension") - 1
        if index.size and not 1 <= index.min() <= index.max() <= values.shape[axis]:
            raise OracleError(f"{self.node}: an index is outside 1..{values.shape[axis]}")
        return values.take(index.astype(np.int64) - 1, axis)

    def backward(self, x: list[Array], gy: Array) -> list[Array]:
        grad = np.zeros_like(x[0])
        axis = self.node.integer("dimension") - 1
        at: Any = (*[slice(None)] * axis, x[1].astype(np.int64) - 1)
        np.add.at(grad, at, gy)
        return [grad, np.zeros_like(x[1])]


@op("nn.MaskedSelect")
class MaskedSelect(Op):
    """The elements where a mask is not 0, as a vector."""

    def forward(self, x: list[Array]) -> Array:
        return x[0][x[1] != 0]

    def backward(self, x: list[Array], gy: Array) -> list[Array]:
        grad = np.zeros_like(x[0])
        grad[x[1] != 0] = gy
        return [grad, np.zeros_like(x[1])]
