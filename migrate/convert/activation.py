"""Smooth functions, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from migrate.registry import converts

if TYPE_CHECKING:
    from migrate.context import Context
    from migrate.graph import Module


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
