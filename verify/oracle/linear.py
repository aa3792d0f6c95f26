"""Linear maps."""

from __future__ import annotations

import numpy as np

from migrate.graph import walk
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


@op("nn.PartialLinear")
class PartialLinear(Op):
    """Linear of which only the outputs of the partition are computed."""

    def setup(self) -> None:
        table = next(link for link in walk(self.node) if "weight" in link.tensors)
        self.weight = self.env.array(table, "weight")
        self.grad_weight = self.env.grad(table, "weight")
        self.chosen = np.array(self.node.integers("partition")) - 1

    def forward(self, x: Array) -> Array:
        y = x @ self.weight[self.chosen].T
        return y + self.params["bias"].reshape(-1)[self.chosen] if "bias" in self.params else y

    def backward(self, x: Array, gy: Array) -> Array:
        np.add.at(self.grad_weight, self.chosen, gy.T @ x)
        if "bias" in self.params:
            np.add.at(self.grads["bias"].reshape(-1), self.chosen, gy.sum(axis=0))
        return gy @ self.weight[self.chosen]

    def parameters(self) -> list[tuple[Array, Array]]:
        """The weight of the network inside, then the bias."""
        return [(self.weight, self.grad_weight), *super().parameters()]
