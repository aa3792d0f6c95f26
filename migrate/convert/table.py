"""Modules that take tables apart, join them, and combine their entries."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from keras import ops

from deepbird_v2.layers.masked_select import MaskedSelect
from migrate.context import Context, ConversionError, leaves
from migrate.registry import converts
from migrate.shapes import axis_of, same_layout, size_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from migrate.graph import Module


def entries(m: Module, x: Any, count: int = 1) -> list[Any]:
    """The input as a table of at least ``count`` entries."""
    if not isinstance(x, list) or len(x) < count:
        have = f"{len(x)} entries" if isinstance(x, list) else "one tensor"
        raise ConversionError(f"{m}: takes a table of at least {count} entries, got {have}")
    return x


# --- entry by entry ----------------------------------------------------------------------------


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


# --- tables as such ----------------------------------------------------------------------------


@converts("nn.JoinTable", layout="aware")
def join_table(ctx: Context, m: Module, x: Any) -> Any:
    """All entries in one tensor, one after the other along a dimension."""
    tensors, axes = same_layout(ctx, entries(m, x))
    torch_axis = axis_of(m, len(tensors[0].shape))
    if len(tensors) == 1:
        return tensors[0]
    y = ops.concatenate(tensors, axis=axes.index(torch_axis) if axes else torch_axis)
    ctx.mark(y, axes)
    return y


@converts("nn.SplitTable")
def split_table(ctx: Context, m: Module, x: Any) -> list[Any]:
    """The entries of a dimension as a table."""
    axis = axis_of(m, len(x.shape))
    return list(ops.unstack(x, num=size_of(m, x, axis), axis=axis))


@converts("nn.SelectTable", layout="aware")
def select_table(ctx: Context, m: Module, x: Any) -> Any:
    """One entry; a negative index counts from the end."""
    table, index = entries(m, x), m.integer("index")
    place = index + len(table) if index < 0 else index - 1
    if not 0 <= place < len(table):
        raise ConversionError(f"{m}: a table of {len(table)} has no entry {index}")
    return table[place]


@converts("nn.NarrowTable", layout="aware")
def narrow_table(ctx: Context, m: Module, x: Any) -> list[Any]:
    """A run of entries."""
    first = m.integer("offset") - 1
    last = first + m.integer("length", 1)
    return entries(m, x, last)[first:last]


@converts("nn.FlattenTable", layout="aware")
def flatten_table(ctx: Context, m: Module, x: Any) -> list[Any]:
    """Tables within tables as one table."""
    return leaves(x)


@converts("nn.ZipTable", layout="aware")
def zip_table(ctx: Context, m: Module, x: Any) -> list[Any]:
    """Tables of rows as tables of columns."""
    return [list(column) for column in zip(*entries(m, x), strict=True)]


@converts("nn.ZipTableOneToMany", layout="aware")
def zip_table_one_to_many(ctx: Context, m: Module, x: Any) -> list[Any]:
    """The first entry paired with each entry of the table that is second."""
    one, many = entries(m, x, 2)[:2]
    return [[one, entry] for entry in many]


# --- picked by another entry -------------------------------------------------------------------


@converts("nn.Index")
def index(ctx: Context, m: Module, x: Any) -> Any:
    """Entries of a dimension in the order of a vector of 1-based indices."""
    values, places = entries(m, x, 2)[:2]
    return ops.take(values, ops.cast(places, "int64") - 1, axis=m.integer("dimension") - 1)


@converts("nn.MaskedSelect")
def masked_select(ctx: Context, m: Module, x: Any) -> Any:
    """The elements where a mask is not 0, as a vector."""
    return ctx.layer(m, MaskedSelect)(entries(m, x, 2)[:2])
