"""Parts and copies of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from migrate.context import Context, ConversionError
from migrate.registry import converts
from migrate.shapes import size_of, without

if TYPE_CHECKING:
    from migrate.graph import Module

Shape = tuple[int, ...]


def part(x: Any, axis: int, index: Any) -> Any:
    """``x[..., index, ...]`` on one axis."""
    return x[(*[slice(None)] * axis, index)]


@converts("nn.Select", layout="aware")
def select(ctx: Context, m: Module, x: Any) -> Any:
    """One entry of a dimension, which is gone afterwards."""
    rank, dimension, index = len(x.shape), m.integer("dimension"), m.integer("index")
    if rank == 1:
        raise ConversionError(f"{m}: an entry of a vector is a number, not a tensor")
    torch_axis = dimension + rank if dimension < 0 else dimension - 1
    axes, axis = ctx.axes(x), ctx.axis(x, torch_axis)
    size = x.shape[axis]
    if size is not None and not 1 <= abs(index) <= size:
        raise ConversionError(f"{m}: dimension {dimension} of {x.shape} has no entry {index}")
    y = part(x, axis, index if index < 0 else index - 1)
    ctx.mark(y, without(axes, torch_axis))
    return y


@converts("nn.Narrow", layout="aware")
def narrow(ctx: Context, m: Module, x: Any) -> Any:
    """A run of entries of a dimension; a negative index leaves out the last ones."""
    dimension, index, length = m.integer("dimension"), m.integer("index"), m.integer("length", 1)
    axis = ctx.axis(x, dimension + len(x.shape) if dimension < 0 else dimension - 1)
    if length < 0:
        length += size_of(m, x, axis) - index + 2
    if index < 0:
        index, length = 1, size_of(m, x, axis) - length
    last = index - 1 + length
    if index < 1 or length < 1 or (x.shape[axis] is not None and last > x.shape[axis]):
        raise ConversionError(f"{m}: dimension {dimension} of {x.shape} has no such part")
    y = part(x, axis, slice(index - 1, last))
    ctx.mark(y, ctx.axes(x))
    return y


@converts("nn.Replicate")
def replicate(ctx: Context, m: Module, x: Any) -> Any:
    """The input repeated along a new dimension."""
    axis = m.integer("dim", 1) - 1 + ("ndim" in m and len(x.shape) > m.integer("ndim"))
    return ops.repeat(ops.expand_dims(x, axis), m.integer("nfeatures"), axis=axis)


@converts("nn.Padding", layout="aware")
def padding(ctx: Context, m: Module, x: Any) -> Any:
    """Entries of a constant put into a dimension: before an index, or counted from the end."""
    batched = "nInputDim" in m and len(x.shape) != m.integer("nInputDim")
    axis = ctx.axis(x, m.integer("dim") - 1 + batched)
    index, pad = m.integer("index", 1), m.integer("pad")
    value = m.number("value", 0.0)
    if index == 1:  # before or after all
        widths = [(0, 0)] * len(x.shape)
        widths[axis] = (0, pad) if pad > 0 else (-pad, 0)
        y = ops.pad(x, widths, constant_values=value)
    else:
        size = size_of(m, x, axis)
        at = size - index + 1 if pad > 0 else index - 1
        before, after = part(x, axis, slice(0, at)), part(x, axis, slice(at, size))
        constant = ops.full_like(part(x, axis, slice(0, 1)), value)
        y = ops.concatenate([before, *[constant] * abs(pad), after], axis=axis)
    ctx.mark(y, ctx.axes(x))
    return y
