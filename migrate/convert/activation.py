"""Activations: element by element, gated, and normalized to sum to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from deepbird_v2.layers.gradient import GradientReversal, L1Penalty
from deepbird_v2.layers.prelu import PReLU, RReLU
from migrate.registry import converts

if TYPE_CHECKING:
    from migrate.context import Context
    from migrate.graph import Module


def channel_axis(x: Any) -> int:
    """Torch's axis of the channels: the first of 1 or 3 dimensions, else the second."""
    return 0 if len(x.shape) in (1, 3) else 1


# --- pieces ------------------------------------------------------------------------------------


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


# --- smooth functions --------------------------------------------------------------------------


@converts(
    "nn.ELU",
    layout="any",
    restrictions="with a negative alpha the gradient is the true one, not Torch's",
)
def elu(ctx: Context, m: Module, x: Any) -> Any:
    """The input above 0, else alpha·(exp x − 1)."""
    return ops.elu(x, alpha=m.number("alpha", 1.0))


@converts("nn.Sigmoid", layout="any")
def sigmoid(ctx: Context, m: Module, x: Any) -> Any:
    """1 / (1 + exp −x)."""
    return ops.sigmoid(x)


@converts("nn.LogSigmoid", layout="any")
def log_sigmoid(ctx: Context, m: Module, x: Any) -> Any:
    """−log(1 + exp −x): −inf where exp −x overflows, as in Torch."""
    return -ops.log1p(ops.exp(-x))


@converts("nn.Tanh", layout="any")
def tanh(ctx: Context, m: Module, x: Any) -> Any:
    """Hyperbolic tangent."""
    return ops.tanh(x)


@converts("nn.TanhShrink", layout="any")
def tanh_shrink(ctx: Context, m: Module, x: Any) -> Any:
    """The input less its hyperbolic tangent."""
    return x - ops.tanh(x)


@converts("nn.SoftPlus", layout="any")
def soft_plus(ctx: Context, m: Module, x: Any) -> Any:
    """log(1 + exp βx)/β, and x itself where βx is above the threshold."""
    beta = m.number("beta", 1.0)
    scaled = x if beta == 1 else x * beta
    smooth = ops.softplus(scaled)
    return ops.where(
        scaled > m.number("threshold", 20.0), x, smooth if beta == 1 else smooth / beta
    )


@converts("nn.SoftSign", layout="any")
def soft_sign(ctx: Context, m: Module, x: Any) -> Any:
    """The input by (1 + |x|)."""
    return ops.softsign(x)


@converts("nn.Abs", layout="any")
def absolute(ctx: Context, m: Module, x: Any) -> Any:
    """|x|, with Torch's derivative 1 at 0."""
    return ops.where(x >= 0, x, -x)


@converts("nn.Exp", layout="any")
def exp(ctx: Context, m: Module, x: Any) -> Any:
    """The exponential."""
    return ops.exp(x)


@converts("nn.Log", layout="any")
def log(ctx: Context, m: Module, x: Any) -> Any:
    """Natural logarithm."""
    return ops.log(x)


@converts("nn.Square", layout="any")
def square(ctx: Context, m: Module, x: Any) -> Any:
    """The square."""
    return ops.square(x)


@converts("nn.Sqrt", layout="any")
def sqrt(ctx: Context, m: Module, x: Any) -> Any:
    """√x, with Torch's derivative 0 at 0; Torch ignores the field `eps`."""
    zero = ops.equal(x, 0.0)
    return ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, x)))


@converts("nn.Power", layout="any")
def power(ctx: Context, m: Module, x: Any) -> Any:
    """The input to a constant power."""
    return ops.power(x, m.number("pow"))


# --- across channels ---------------------------------------------------------------------------


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


# --- identity forward, another gradient --------------------------------------------------------


@converts("nn.GradientReversal", layout="any")
def gradient_reversal(ctx: Context, m: Module, x: Any) -> Any:
    """The input; its gradient is −lambda times."""
    return ctx.layer(m, GradientReversal, m.number("lambda", 1.0))(x)


@converts("nn.ZeroGrad", layout="any")
def zero_grad(ctx: Context, m: Module, x: Any) -> Any:
    """The input; no gradient passes back."""
    return ops.stop_gradient(x)


@converts("nn.L1Penalty", layout="any")
def l1_penalty(ctx: Context, m: Module, x: Any) -> Any:
    """The input; the gradient gains that of an L1 penalty on it."""
    layer = ctx.layer(
        m, L1Penalty, m.number("l1weight"), m.flag("sizeAverage"), m.flag("provideOutput", True)
    )
    return layer(x)
