"""``nn.gModule``: modules wired as a graph; and the small table modules of nngraph."""

from __future__ import annotations

from typing import Any

import numpy as np

from migrate.wiring import INPUT
from verify.oracle.base import Array, Op, op
from verify.oracle.values import add_grads


@op("nn.gModule")
class GModule(Op):
    """Each step applies its module to the values of its sources."""

    def forward(self, x: Any) -> Any:
        self.taken: list[Any] = []
        values: list[Any] = []
        for step in self.node.wiring:
            taken = [x if source == INPUT else values[source] for source in step.sources]
            entry = taken[0] if len(taken) == 1 else taken
            if step.select is not None:
                entry = entry[step.select]
            self.taken.append(entry)
            apply = None if step.module is None else self.children[step.module].forward
            values.append(apply(entry) if apply else entry)
        return values[-1]

    def backward(self, x: Any, gy: Any) -> Any:
        steps = self.node.wiring
        given: list[list[Any]] = [[] for _ in steps]
        chosen: list[dict[int, Any]] = [{} for _ in steps]
        given[-1].append(gy)
        for number in reversed(range(len(steps))):
            step = steps[number]
            if chosen[number]:
                given[number].append([chosen[number][i] for i in sorted(chosen[number])])
            grad = add_grads(given[number])
            if step.module is not None:
                grad = self.children[step.module].backward(self.taken[number], grad)
            if step.sources == (INPUT,):
                return grad
            if step.select is not None:
                chosen[step.sources[0]][step.select] = grad
            elif len(step.sources) == 1:
                given[step.sources[0]].append(grad)
            else:
                for source, entry in zip(step.sources, grad, strict=True):
                    given[source].append(entry)
        return None


@op("nngraph.JustTable")
class JustTable(Op):
    """One value → a table of it."""

    def forward(self, x: Any) -> list[Any]:
        return [x]

    def backward(self, x: Any, gy: list[Any]) -> Any:
        return gy[0]


@op("nngraph.JustElement")
class JustElement(Op):
    """A table of one value → the value."""

    def forward(self, x: list[Any]) -> Any:
        return x[0]

    def backward(self, x: list[Any], gy: Any) -> list[Any]:
        return [gy]


@op("nn.ModuleFromCriterion")
class ModuleFromCriterion(Op):
    """{prediction, target} → the criterion's loss, as a tensor of one element."""

    def setup(self) -> None:
        self.criterion = self.env.build(self.node.links["criterion"])

    def forward(self, x: list[Any]) -> Array:
        return np.asarray(self.criterion.forward(x), x[0].dtype).reshape(1)

    def backward(self, x: list[Any], gy: Array) -> list[Any]:
        grad = self.criterion.backward(x, 1.0)
        return [(grad[0] if isinstance(grad, list) else grad) * gy[0], np.zeros_like(x[1])]
