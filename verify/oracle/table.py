"""Modules that take tables apart, join them, and combine their entries."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, OracleError, op
from verify.oracle.dims import axis_of, zeros
from verify.oracle.values import add_grads

# --- entry by entry ----------------------------------------------------------------------------


class Positional(Op):
    """Combines entries by position, in the shape of the first."""

    def combine(self, x: list[Array]) -> Any:
        """The output for entries of one shape."""
        raise NotImplementedError

    def derive(self, x: list[Array], gy: Array) -> list[Any]:
        """The gradient of each entry, in that shape."""
        raise NotImplementedError

    def forward(self, x: list[Array]) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.combine([entry.reshape(x[0].shape) for entry in x])

    def backward(self, x: list[Array], gy: Array) -> list[Any]:
        with np.errstate(divide="ignore", invalid="ignore"):
            grads = self.derive([entry.reshape(x[0].shape) for entry in x], gy)
        return [grad.reshape(entry.shape) for grad, entry in zip(grads, x, strict=True)]


@op("nn.CAddTable")
class CAddTable(Positional):
    """The sum of all entries."""

    def combine(self, x: list[Array]) -> Any:
        return reduce(np.add, x[1:], x[0].copy())

    def derive(self, x: list[Array], gy: Array) -> list[Any]:
        return [gy.copy() for _ in x]


@op("nn.CSubTable")
class CSubTable(Positional):
    """First minus second."""

    def combine(self, x: list[Array]) -> Any:
        return x[0] - x[1]

    def derive(self, x: list[Array], gy: Array) -> list[Any]:
        return [gy.copy(), -gy]


@op("nn.CMulTable")
class CMulTable(Positional):
    """The product of all entries."""

    def combine(self, x: list[Array]) -> Any:
        return reduce(np.multiply, x[1:], x[0].copy())

    def derive(self, x: list[Array], gy: Array) -> list[Any]:
        return [reduce(np.multiply, x[:i] + x[i + 1 :], gy.copy()) for i in range(len(x))]


@op("nn.CDivTable")
class CDivTable(Positional):
    """First divided by second."""

    def combine(self, x: list[Array]) -> Any:
        return x[0] / x[1]

    def derive(self, x: list[Array], gy: Array) -> list[Any]:
        return [gy / x[1], -gy * x[0] / (x[1] * x[1])]


@op("nn.CMaxTable")
class CMaxTable(Positional):
    """The greatest entry at each place; of equal ones the first gets the gradient."""

    def winner(self, x: list[Array]) -> tuple[Array, Array]:
        """(extreme values, number of the entry they are from)."""
        best, where = x[0].copy(), np.zeros(x[0].shape, np.int64)
        for number, entry in enumerate(x[1:], 1):
            better = self.better(entry, best)
            best[better] = entry[better]
            where[better] = number
        return best, where

    def better(self, entry: Array, best: Array) -> Any:
        """Where an entry takes the place of the best one so far."""
        return entry > best

    def combine(self, x: list[Array]) -> Any:
        return self.winner(x)[0]

    def derive(self, x: list[Array], gy: Array) -> list[Any]:
        where = self.winner(x)[1]
        return [np.where(where == i, gy, 0) for i in range(len(x))]


@op("nn.CMinTable")
class CMinTable(CMaxTable):
    """The least entry at each place; of equal ones the first gets the gradient."""

    def better(self, entry: Array, best: Array) -> Any:
        return entry < best


@op("nn.CAddTensorTable")
class CAddTensorTable(Op):
    """The first entry added to each entry of the table that is second."""

    def forward(self, x: list[Any]) -> list[Array]:
        return [x[0] + entry for entry in x[1]]

    def backward(self, x: list[Any], gy: list[Array]) -> list[Any]:
        return [add_grads(gy), [grad.copy() for grad in gy]]


@op("nn.MixtureTable")
class MixtureTable(Op):
    """Experts (a table, or slices of a tensor) weighted by a gate a row, and added."""

    def _gates(self, x: list[Any]) -> tuple[list[Array], list[Array], int]:
        """(each expert, its gate viewed to meet it, the dimension of experts in a tensor)."""
        gates, experts = x
        axis = int(self.node.get("dim", gates.ndim)) - 1
        entries = experts if isinstance(experts, list) else list(np.moveaxis(experts, axis, 0))
        if gates.shape[-1] != len(entries):
            raise OracleError(f"{self.node}: {gates.shape[-1]} gates for {len(entries)} experts")
        one = (-1, *[1] * (entries[0].ndim - 1)) if gates.ndim == 2 else [1] * entries[0].ndim
        return entries, [gates[..., i].reshape(one) for i in range(len(entries))], axis

    def forward(self, x: list[Any]) -> Any:
        experts, gates, _ = self._gates(x)
        return reduce(np.add, [g * e for g, e in zip(gates, experts, strict=True)])

    def backward(self, x: list[Any], gy: Array) -> list[Any]:
        experts, gates, axis = self._gates(x)
        others = tuple(range(1 if x[0].ndim == 2 else 0, gy.ndim))
        of_gates = np.stack([(gy * expert).sum(axis=others) for expert in experts], axis=-1)
        of_experts = [gate * gy for gate in gates]
        if isinstance(x[1], list):
            return [of_gates, of_experts]
        return [of_gates, np.stack(of_experts, axis=axis)]


# --- tables as such ----------------------------------------------------------------------------


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


# --- picked by another entry -------------------------------------------------------------------


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
