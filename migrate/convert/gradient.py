"""Modules that give their input and change only its gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from deepbird_v2.layers.gradient import GradientReversal, L1Penalty
from migrate.registry import converts

if TYPE_CHECKING:
    from migrate.context import Context
    from migrate.graph import Module


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
