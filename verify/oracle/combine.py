"""Modules that combine the entries of a table."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, OracleError, op
from verify.oracle.values import add_grads


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
