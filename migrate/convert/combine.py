"""Modules that combine the entries of a table."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from keras import ops

from migrate.context import Context, ConversionError
from migrate.registry import converts
from migrate.shapes import entries, size_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from migrate.graph import Module


def alike(m: Module, x: Any, count: int = 1) -> list[Any]:
    """The entries in the shape of the first: Torch combines them by position, never broadcasts."""
    first, *rest = entries(m, x, count)
    shape = [-1 if size is None else size for size in first.shape]
    return [first, *(e if e.shape == first.shape else ops.reshape(e, shape) for e in rest)]


@converts("nn.CAddTable", layout="any")
def cadd_table(ctx: Context, m: Module, x: Any) -> Any:
    """The sum of all entries."""
    return reduce(ops.add, alike(m, x))


@converts("nn.CMulTable", layout="any")
def cmul_table(ctx: Context, m: Module, x: Any) -> Any:
    """The product of all entries."""
    return reduce(ops.multiply, alike(m, x))


@converts("nn.CSubTable", layout="any")
def csub_table(ctx: Context, m: Module, x: Any) -> Any:
    """First minus second."""
    return ops.subtract(*alike(m, x, 2)[:2])


@converts("nn.CDivTable", layout="any")
def cdiv_table(ctx: Context, m: Module, x: Any) -> Any:
    """First divided by second."""
    return ops.divide(*alike(m, x, 2)[:2])


def best_of(better: Callable[[Any, Any], Any], x: list[Any]) -> Any:
    """The best entry at each place; of equal ones the first gets the gradient."""
    return reduce(lambda best, entry: ops.where(better(entry, best), entry, best), x)


@converts("nn.CMaxTable", layout="any")
def cmax_table(ctx: Context, m: Module, x: Any) -> Any:
    """The greatest entry at each place."""
    return best_of(ops.greater, alike(m, x))


@converts("nn.CMinTable", layout="any")
def cmin_table(ctx: Context, m: Module, x: Any) -> Any:
    """The least entry at each place."""
    return best_of(ops.less, alike(m, x))


@converts("nn.CAddTensorTable", layout="any")
def cadd_tensor_table(ctx: Context, m: Module, x: Any) -> list[Any]:
    """The first entry added to each entry of the table that is second."""
    added, table = entries(m, x, 2)[:2]
    return [added + entry for entry in table]


@converts("nn.MixtureTable")
def mixture_table(ctx: Context, m: Module, x: Any) -> Any:
    """Experts (a table, or slices of a tensor) weighted by a gate a row, and added."""
    gates, experts = entries(m, x, 2)[:2]
    axis = m.integer("dim", len(gates.shape)) - 1
    count = size_of(m, gates, len(gates.shape) - 1)
    if not isinstance(experts, list):
        rank = len(experts.shape)
        batched = len(gates.shape) == 2
        new = [i for i in range(rank) if i != axis and not (batched and i == 0)]
        return ops.sum(ops.expand_dims(gates, new) * experts if new else gates * experts, axis)
    if count != len(experts):
        raise ConversionError(f"{m}: {count} gates for {len(experts)} experts")
    new = list(range(len(gates.shape) - 1, len(experts[0].shape)))
    weighted = [
        (ops.expand_dims(gates[..., i], new) if new else gates[..., i]) * expert
        for i, expert in enumerate(experts)
    ]
    return reduce(ops.add, weighted)
