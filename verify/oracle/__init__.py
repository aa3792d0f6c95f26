"""Torch's semantics in NumPy: forward and backward of every module, without TensorFlow.

The oracle is a second, independent reading of Torch. It shares the file reader and the module
tree with the converters, and nothing else.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import numpy as np

from migrate.graph import Module, build
from verify.oracle.base import Env, Op, OracleError, registered

__all__ = ["Oracle", "OracleError", "backward", "forward", "registered"]

for _family in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_family.name}")


class Oracle:
    """A model that runs as Torch would, and keeps its parameters between calls.

    Args:
        module: a Torch object as :func:`migrate.load_t7` gives it, or a graph module.
        training: Torch's ``train`` flag of every module.
        seed: ``torch.manualSeed`` before the first forward.
        dtype: compute in this type in place of the model's own.
    """

    def __init__(
        self,
        module: Any,
        training: bool = False,
        seed: int | None = None,
        dtype: Any = None,
    ) -> None:
        self.node: Module = build(module)
        self.env = Env(training, seed, np.dtype(dtype) if dtype is not None else None)
        self.op: Op = self.env.build(self.node)

    def forward(self, inputs: Any) -> Any:
        """Torch's ``forward``; tables are lists, tensors arrays."""
        return self.op.forward(self._cast(inputs))

    def trace(self, inputs: Any) -> dict[str, tuple[Any, Any]]:
        """(input, output) of every module of one forward, in the order they finish.

        The keys are paths; second and further uses of a module are ``path#2`` and so on.
        """
        self.env.trace = {}
        try:
            self.forward(inputs)
            return self.env.trace
        finally:
            self.env.trace = None

    def backward(self, inputs: Any, grad_outputs: Any) -> Any:
        """Torch's ``backward`` after :meth:`forward` of the same inputs; gradients accumulate."""
        return self.op.backward(self._cast(inputs), self._cast(grad_outputs))

    def zero_grad(self) -> None:
        """Torch's ``zeroGradParameters``."""
        for _, grad in self.op.parameters():
            grad.fill(0)

    def _cast(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._cast(entry) for entry in value]
        if isinstance(value, np.ndarray) and self.env.dtype is not None and value.dtype.kind == "f":
            return value.astype(self.env.dtype)
        return value


def forward(module: Any, inputs: Any, training: bool = False, seed: int | None = None) -> Any:
    """One forward of a Torch module.

    Args:
        module: a Torch object or graph module.
        inputs: Torch's form and layout: arrays for tensors, nested lists for tables.
        training: training mode (dropout drops, batch normalization uses the batch).
        seed: ``torch.manualSeed`` right before.

    Returns:
        Arrays, or nested lists of arrays for tables.

    Raises:
        OracleError: a class has no oracle, or the input does not fit.
    """
    return Oracle(module, training, seed).forward(inputs)


def backward(
    module: Any,
    inputs: Any,
    grad_outputs: Any,
    training: bool = True,
    seed: int | None = None,
) -> tuple[Any, list[np.ndarray[Any, Any]]]:
    """Gradients of one forward and backward, from zero.

    Args:
        module: a Torch object or graph module.
        inputs: as for :func:`forward`.
        grad_outputs: gradient of each output, in the outputs' form.
        training: mode of the forward.
        seed: ``torch.manualSeed`` right before the forward.

    Returns:
        (gradient of the inputs in the inputs' form, gradient of each parameter in the order and
        layout of Torch's ``parameters()``).
    """
    oracle = Oracle(module, training, seed)
    oracle.forward(inputs)
    oracle.zero_grad()
    grad_inputs = oracle.backward(inputs, grad_outputs)
    return grad_inputs, [grad for _, grad in oracle.op.parameters()]
