"""Sums, means and extremes along a dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from deepbird_v2.layers.extreme import Extreme
from migrate.registry import converts
from migrate.shapes import axis_of, without

if TYPE_CHECKING:
    from migrate.context import Context
    from migrate.graph import Module


@converts("nn.Sum", "nn.Mean", layout="aware")
def total(ctx: Context, m: Module, x: Any) -> Any:
    """The sum along a dimension, or the mean; a vector keeps a dimension of size 1."""
    torch_axis = axis_of(m, len(x.shape), default=1)
    keep = len(x.shape) == 1 or not m.flag("squeeze", True)
    reduce = ops.mean if m.flag("sizeAverage", m.class_name == "nn.Mean") else ops.sum
    y = reduce(x, axis=ctx.axis(x, torch_axis), keepdims=keep)
    ctx.mark(y, ctx.axes(x) if keep else without(ctx.axes(x), torch_axis))
    return y


@converts("nn.Max", "nn.Min", layout="aware")
def extreme(ctx: Context, m: Module, x: Any) -> Any:
    """The greatest or least entry along a dimension; a vector keeps a dimension of size 1."""
    torch_axis = axis_of(m, len(x.shape), default=1)
    keep, axis = len(x.shape) == 1, ctx.axis(x, torch_axis)
    least = m.class_name == "nn.Min"
    y = ctx.layer(m, Extreme, axis, least, keep, part=f"axis{axis}")(x)
    ctx.mark(y, ctx.axes(x) if keep else without(ctx.axes(x), torch_axis))
    return y
