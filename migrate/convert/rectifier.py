"""Activations made of straight pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from deepbird_v2.layers.prelu import PReLU, RReLU
from migrate.registry import converts
from migrate.shapes import channel_axis

if TYPE_CHECKING:
    from migrate.context import Context
    from migrate.graph import Module


@converts("nn.Threshold", layout="any")
def threshold(ctx: Context, m: Module, x: Any) -> Any:
    """The input above the threshold, else a value."""
    return ops.where(x > m.number("threshold", 0.0), x, m.number("val", 0.0))


@converts("nn.ReLU", layout="any", restrictions="NaN stays NaN; Torch's becomes 0")
def relu(ctx: Context, m: Module, x: Any) -> Any:
    """The input above 0, else 0."""
    return ops.relu(x)


def clamp(x: Any, low: float, high: float) -> Any:
    """Clamped to [low, high] with derivative 0 on the bounds, as Torch has it."""
    return ops.where(x <= low, low, ops.where(x < high, x, high))


@converts("nn.HardTanh", "nn.Clamp", layout="any")
def hard_tanh(ctx: Context, m: Module, x: Any) -> Any:
    """Clamped to [min, max]."""
    return clamp(x, m.number("min_val", -1.0), m.number("max_val", 1.0))


@converts("nn.ReLU6", layout="any")
def relu6(ctx: Context, m: Module, x: Any) -> Any:
    """Clamped to [0, 6]."""
    return ops.relu6(x)


@converts("nn.ClippedReLU", layout="any")
def clipped_relu(ctx: Context, m: Module, x: Any) -> Any:
    """Clamped to [0, ceiling]."""
    return clamp(x, 0.0, m.number("ceiling"))


@converts("nn.HardShrink", layout="any")
def hard_shrink(ctx: Context, m: Module, x: Any) -> Any:
    """0 within ±lambda, else x."""
    bound = m.number("lambda", 0.5)
    return ops.where(ops.logical_or(x > bound, x < -bound), x, 0.0)


@converts("nn.SoftShrink", layout="any")
def soft_shrink(ctx: Context, m: Module, x: Any) -> Any:
    """0 within ±lambda, else x moved towards 0 by lambda."""
    bound = m.number("lambda", 0.5)
    return ops.where(x > bound, x - bound, ops.where(x < -bound, x + bound, 0.0))


@converts(
    "nn.LeakyReLU",
    layout="any",
    restrictions="in place with a negative slope the gradient is the true one, not Torch's",
)
def leaky_relu(ctx: Context, m: Module, x: Any) -> Any:
    """The input above 0, else slope·x (TensorFlow's own keeps the slope as a float32)."""
    return ops.where(x > 0, x, x * m.number("negval", 0.01))


@converts("nn.RReLU", layout="any", restrictions="training draws TensorFlow's random numbers")
def rrelu(ctx: Context, m: Module, x: Any) -> Any:
    """LeakyReLU with random slopes."""
    return ctx.layer(m, RReLU, m.number("lower", 1 / 8), m.number("upper", 1 / 3))(x)


@converts("nn.PReLU", layout="aware")
def prelu(ctx: Context, m: Module, x: Any) -> Any:
    """The input above 0, else a learned slope times x."""
    units = m.integer("nOutputPlane", 0) or None
    axis = ctx.axis(x, channel_axis(x)) if units else -1
    if axis == len(x.shape) - 1:
        axis = -1
    layer = ctx.layer(m, PReLU, units, axis, part="" if axis == -1 else f"axis{axis}")
    y = layer(x)
    ctx.bind(m, "weight", layer.alpha)
    ctx.mark(y, ctx.axes(x))
    return y
