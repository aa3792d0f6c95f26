"""Containers: modules made of modules."""

from __future__ import annotations

from typing import Any

from verify.oracle.base import Op, op
from verify.oracle.values import add_grads


@op("nn.Sequential", "modules.FullDenseLayer", "modules.FullSparseLayer")
class Sequential(Op):
    """Each child takes what the one before gave."""

    def forward(self, x: Any) -> Any:
        self.inputs = []
        for child in self.children:
            self.inputs.append(x)
            x = child.forward(x)
        return x

    def backward(self, x: Any, gy: Any) -> Any:
        for child, given in zip(reversed(self.children), reversed(self.inputs), strict=True):
            gy = child.backward(given, gy)
        return gy


@op("nn.ParallelTable")
class ParallelTable(Op):
    """Child i takes entry i of the table."""

    def forward(self, x: list[Any]) -> list[Any]:
        return [child.forward(entry) for child, entry in zip(self.children, x, strict=False)]

    def backward(self, x: list[Any], gy: list[Any]) -> list[Any]:
        return [
            child.backward(entry, grad)
            for child, entry, grad in zip(self.children, x, gy, strict=False)
        ]


@op("nn.ConcatTable")
class ConcatTable(Op):
    """Every child takes the whole input; the outputs are a table."""

    def forward(self, x: Any) -> list[Any]:
        return [child.forward(x) for child in self.children]

    def backward(self, x: Any, gy: list[Any]) -> Any:
        grads = [child.backward(x, grad) for child, grad in zip(self.children, gy, strict=False)]
        return add_grads(grads)


