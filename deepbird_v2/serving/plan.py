"""A model as a list of steps that NumPy runs, without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepbird_v2.serving.kernels import Dense, DiscretizedSum, Discretizer, GatherSum, Rectifier

__all__ = ["Plan", "Step"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Step:
    """One kernel, and which slots it reads and writes.

    Attributes:
        name: of the Keras operation it came from.
        kernel: called with the values of ``inputs``.
        inputs: slots.
        output: slot.
    """

    name: str
    kernel: Callable[..., Any]
    inputs: tuple[int, ...]
    output: int


@dataclass(frozen=True)
class Plan:
    """Steps in the order of execution.

    Attributes:
        inputs: name → slot.
        outputs: name → slot, in the model's order.
        steps: what to do.
        slots: how many values there are.
    """

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    steps: tuple[Step, ...]
    slots: int

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name.

        Args:
            inputs: an array an input.
        """
        values: list[Any] = [None] * self.slots
        for name, slot in self.inputs.items():
            values[slot] = inputs[name]
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            for step in self.steps:
                values[step.output] = step.kernel(*[values[slot] for slot in step.inputs])
        return {name: values[slot] for name, slot in self.outputs.items()}

    def fused(self) -> Plan:
        """The same plan, each pair of kernels that can be one made one."""
        steps = list(self.steps)
        at = 0
        while at < len(steps):
            reader = self._only_reader(steps, at)
            both = None if reader is None else _join(steps[at].kernel, steps[reader].kernel)
            if reader is None or both is None:
                at += 1
                continue
            name = f"{steps[at].name} + {steps[reader].name}"
            steps[at] = Step(name, both, steps[at].inputs, steps[reader].output)
            del steps[reader]
        return Plan(self.inputs, self.outputs, tuple(steps), self.slots)

    def _only_reader(self, steps: list[Step], at: int) -> int | None:
        """The step that alone reads what step ``at`` writes, and nothing else."""
        written = steps[at].output
        readers = [n for n, step in enumerate(steps) if written in step.inputs]
        kept = written in self.outputs.values()
        alone = len(readers) == 1 and not kept and steps[readers[0]].inputs == (written,)
        return readers[0] if alone else None


def _join(first: Any, second: Any) -> Any:
    """One kernel for two in a row, or None."""
    if isinstance(first, Discretizer) and isinstance(second, GatherSum) and not second.binary:
        return DiscretizedSum(first, second)
    layer = first.layer if isinstance(first, DiscretizedSum) else first
    if isinstance(layer, Dense | GatherSum) and isinstance(second, Rectifier):
        if layer.end.slope is not None:
            return None
        layer.end.slope = np.broadcast_to(second.slope, layer.end.bias.shape).copy()
        return first
    return None
