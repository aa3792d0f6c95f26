"""Criteria made of criteria and of modules."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Op, op
from verify.oracle.values import add_grads


class _Sum(Op):
    """Weighted criteria."""

    def setup(self) -> None:
        """Read the weight of each criterion."""
        weights = self.node.get("weights")
        listed = getattr(weights, "data", None)
        self.weights = [float(w) for w in (listed if listed is not None else weights.sequence())]

    def pairs(self, x: Any) -> list[list[Any]]:
        """[input, target] of each criterion."""
        raise NotImplementedError

    def forward(self, x: Any) -> float:
        terms = zip(self.weights, self.children, self.pairs(x), strict=False)
        return float(sum(weight * child.forward(pair) for weight, child, pair in terms))

    def gradients(self, x: Any, gy: float) -> list[Any]:
        """The gradient of each criterion's input, weighted."""
        terms = zip(self.weights, self.children, self.pairs(x), strict=False)
        return [child.backward(pair, weight * gy) for weight, child, pair in terms]


@op("nn.MultiCriterion")
class MultiCriterion(_Sum):
    """Every criterion of one input and target."""

    def pairs(self, x: Any) -> list[list[Any]]:
        return [x] * len(self.children)

    def backward(self, x: Any, gy: float) -> Any:
        return add_grads(self.gradients(x, gy))


@op("nn.ParallelCriterion")
class ParallelCriterion(_Sum):
    """Criterion i of entry i of the input, and of the target unless that is for all."""

    def pairs(self, x: Any) -> list[list[Any]]:
        given, target = x
        whole = self.node.flag("repeatTarget")
        count = len(self.children)
        return [[given[i], target if whole else target[i]] for i in range(count)]

    def backward(self, x: Any, gy: float) -> Any:
        rest = [zeros_like(entry) for entry in x[0][len(self.children) :]]
        return self.gradients(x, gy) + rest


def zeros_like(value: Any) -> Any:
    """Zeros in the form of a value."""
    return [zeros_like(v) for v in value] if isinstance(value, list) else np.zeros_like(value)


@op("nn.CriterionTable")
class CriterionTable(Op):
    """A criterion whose input and target come as one table."""

    def setup(self) -> None:
        """Build the criterion."""
        self.criterion = self.env.build(self.node.links["criterion"])

    def forward(self, x: Any) -> Any:
        return self.criterion.forward(x[0])

    def backward(self, x: Any, gy: Any) -> Any:
        return [self.criterion.backward(x[0], gy)]


@op("nn.ModuleCriterion")
class ModuleCriterion(Op):
    """A criterion of what modules make of the input and of the target."""

    def setup(self) -> None:
        """Build the criterion and the modules; either module may be missing."""
        links = self.node.links
        self.criterion = self.env.build(links["criterion"])
        self.modules = [
            self.env.build(links[name]) if name in links else None
            for name in ("inputModule", "targetModule")
        ]

    def forward(self, x: Any) -> Any:
        return self.criterion.forward(self._made(x))

    def backward(self, x: Any, gy: Any) -> Any:
        grad = self.criterion.backward(self._made(x), gy)
        return grad if self.modules[0] is None else self.modules[0].backward(x[0], grad)

    def _made(self, x: Any) -> list[Any]:
        return [
            value if module is None else module.forward(value)
            for module, value in zip(self.modules, x, strict=True)
        ]
