"""Modules that take tables apart, join them, and pick from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from deepbird_v2.layers.masked_select import MaskedSelect
from migrate.context import Context, ConversionError, leaves
from migrate.registry import converts
from migrate.shapes import axis_of, entries, same_layout, size_of

if TYPE_CHECKING:
    from migrate.graph import Module


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


@converts("nn.Index")
def index(ctx: Context, m: Module, x: Any) -> Any:
    """Entries of a dimension in the order of a vector of 1-based indices."""
    values, places = entries(m, x, 2)[:2]
    return ops.take(values, ops.cast(places, "int64") - 1, axis=m.integer("dimension") - 1)


@converts("nn.MaskedSelect")
def masked_select(ctx: Context, m: Module, x: Any) -> Any:
    """The elements where a mask is not 0, as a vector."""
    return ctx.layer(m, MaskedSelect)(entries(m, x, 2)[:2])
