"""``nn.Linear``."""

from __future__ import annotations

import numpy as np

from verify.oracle.base import Array, Op, op


@op("nn.Linear")
class Linear(Op):
    """y = x Wᵀ + b for x of shape (in,) or (batch, in)."""

    def forward(self, x: Array) -> Array:
        y = x @ self.params["weight"].T
        return y + self.params["bias"] if "bias" in self.params else y

    def backward(self, x: Array, gy: Array) -> Array:
        rows, grads = np.atleast_2d(x), np.atleast_2d(gy)
        self.grads["weight"] += grads.T @ rows
        if "bias" in self.params:
            self.grads["bias"] += grads.sum(axis=0)
        return gy @ self.params["weight"]
