"""Modules that give their input and change only its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, op


@op("nn.GradientReversal")
class GradientReversal(Op):
    """The input; its gradient is −lambda times."""

    def forward(self, x: Array) -> Any:
        return x

    def backward(self, x: Array, gy: Array) -> Any:
        return gy * -self.node.number("lambda", 1.0)


@op("nn.L1Penalty")
class L1Penalty(Op):
    """The input; the gradient gains that of an L1 penalty on it."""

    def forward(self, x: Array) -> Any:
        return x

    def backward(self, x: Array, gy: Array) -> Any:
        weight = self.node.number("l1weight")
        if self.node.flag("sizeAverage"):
            weight /= x.size
        penalty = np.sign(x) * weight
        return penalty + gy if self.node.flag("provideOutput", True) else penalty


@op("nn.ZeroGrad")
class ZeroGrad(Op):
    """The input; no gradient passes back."""

    def forward(self, x: Array) -> Any:
        return x

    def backward(self, x: Any, gy: Any) -> Any:
        return np.zeros_like(x)
