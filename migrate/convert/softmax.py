"""Activations across channels: normalized to sum to one, doubled, gated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from migrate.registry import converts
from migrate.shapes import channel_axis

if TYPE_CHECKING:
    from migrate.context import Context
    from migrate.graph import Module


@converts("nn.SoftMax", "nn.SpatialSoftMax", layout="aware")
def softmax(ctx: Context, m: Module, x: Any) -> Any:
    """The exponential over its sum along the channels."""
    y = ops.softmax(x, axis=ctx.axis(x, channel_axis(x)))
    ctx.mark(y, ctx.axes(x))
    return y


@converts("nn.SoftMin", layout="aware")
def softmin(ctx: Context, m: Module, x: Any) -> Any:
    """SoftMax of −x."""
    y = ops.softmax(-x, axis=ctx.axis(x, channel_axis(x)))
    ctx.mark(y, ctx.axes(x))
    return y


@converts("nn.LogSoftMax", "nn.SpatialLogSoftMax", layout="aware")
def log_softmax(ctx: Context, m: Module, x: Any) -> Any:
    """The input minus the logarithm of the sum of exp x along the channels."""
    y = ops.log_softmax(x, axis=ctx.axis(x, channel_axis(x)))
    ctx.mark(y, ctx.axes(x))
    return y


@converts("nn.CReLU", layout="aware")
def crelu(ctx: Context, m: Module, x: Any) -> Any:
    """Channels of relu x, then channels of relu −x."""
    channel = 1 if len(x.shape) == m.integer("nInputDims") + 1 else 0
    y = ops.relu(ops.concatenate([x, -x], axis=ctx.axis(x, channel)))
    ctx.mark(y, ctx.axes(x))
    return y


@converts("nn.GatedLinearUnit", layout="aware")
def gated_linear_unit(ctx: Context, m: Module, x: Any) -> Any:
    """First half of a dimension times the sigmoid of its second half."""
    axis = ctx.axis(x, m.integer("dim", len(x.shape)) - 1)
    value, gate = ops.split(x, 2, axis=axis)
    y = value * ops.sigmoid(gate)
    ctx.mark(y, ctx.axes(x))
    return y
