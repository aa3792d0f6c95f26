"""Torch's training loop in the oracle, and what rounding alone does to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from migrate.flat import FlatLayout
from migrate.graph import Module
from verify.oracle.base import Array, Env, Op, OracleError
from verify.oracle.optim import step

__all__ = ["OracleTraining"]

UPDATE = "updateParameters"

# Methods that go on until the gradient is a difference of equal numbers: its rounding error is then
# that of the numbers, not of the difference.
MINIMIZERS = frozenset({"lbfgs", "cg"})


class OracleTraining:
    """A model, a criterion, a method of ``optim`` and its state, trained a batch at a time.

    Args:
        module: the model before the first step.
        criterion: the loss.
        method: of ``optim``, or ``updateParameters``.
        config: its options.
        layout: of the flat vector.
        seed: of the random stream; None draws as Torch does unseeded.
        permuted: length of a permutation drawn before the first step.
        nudge: seed of rounding noise: with it every step starts from parameters moved by at most
            one unit in the last place, and every gradient is off by as much.

    Attributes:
        x: the flat vector.
        state: the method's table.

    Raises:
        OracleError: a module updates its parameters by rules of its own, as an IndexLinear that
            normalizes.
    """

    def __init__(
        self,
        module: Module,
        criterion: Module,
        method: str,
        config: Mapping[str, Any],
        layout: FlatLayout,
        seed: int | None = None,
        permuted: int = 0,
        nudge: int | None = None,
    ) -> None:
        self.env = Env(training=True, seed=seed)
        self.model = self.env.build(module)
        self.criterion = Env(training=True).build(criterion)
        self.env.generator.randperm(permuted)
        self.method, self.config, self.layout = method, config, layout
        self.noise = None if nudge is None else np.random.default_rng(nudge)
        self.state: dict[str, Any] = {}
        self.scale = 0.0  # of the largest gradient so far
        if self.noise is not None:
            self._blur(self.model)
        for path, (value, grad) in zip(layout.paths, self.model.parameters(), strict=True):
            if value.size != grad.size:
                raise OracleError(
                    f"{path}: Torch updates it entry by entry, which is not repeated here; train "
                    f"a model whose gradients have the form of its parameters"
                )
        self.values = [value for value, _ in self.model.parameters()]
        self.x = layout.gather(self.values)

    def step(self, inputs: Any, target: Any) -> list[float]:
        """Train on one batch; the losses that the method saw, the first before any change."""
        if self.noise is not None:
            self.x += self._unit(self.x)
        if self.method == UPDATE:
            return [self._update_parameters(inputs, target)]

        def evaluate(x: Array) -> tuple[float, Array]:
            return self._evaluate(x, inputs, target)

        losses = step(self.method, evaluate, self.x, self.config, self.state)
        self._put(self.x)
        return losses

    def _evaluate(self, x: Array, inputs: Any, target: Any) -> tuple[float, Array]:
        self._put(x)
        loss = self._backward(inputs, target)
        x[:] = self.layout.gather(self.values)  # a forward pass may change them: maxNorm
        grad = self.layout.gather([grad for _, grad in self.model.parameters()])
        return loss, grad if self.noise is None else grad + self._rounding(grad)

    def _backward(self, inputs: Any, target: Any) -> float:
        pairs = self.model.parameters()
        for _, grad in pairs:
            grad.fill(0)
        output = self.model.forward(inputs)
        loss = self.criterion.forward([output, target])
        self.model.backward(inputs, self.criterion.backward([output, target], 1.0))
        return float(loss)

    def _update_parameters(self, inputs: Any, target: Any) -> float:
        """``m:updateParameters(rate)``: every module changes its own, shared ones repeatedly."""
        self._put(self.x)
        loss = self._backward(inputs, target)
        rate = float(self.config["learningRate"])
        for value, grad in self.model.parameters():
            value += -rate * grad
        self.x = self.layout.gather(self.values)
        return loss

    def _put(self, x: Array) -> None:
        for value, part in zip(self.values, self.layout.split(x), strict=True):
            value[...] = part.reshape(value.shape)

    def _blur(self, op: Op) -> None:
        """Let every log-softmax be off by what the numbers that it subtracts are rounded by."""
        for child in op.children:
            self._blur(child)
        if op.node.class_name != "nn.LogSoftMax":
            return
        exact = op.forward

        def blurred(x: Array) -> Array:
            y: Array = exact(x)
            y += self._unit(x)  # in place: backward reads it, too
            return y

        op.forward = blurred  # type: ignore[method-assign]  # every call passes here

    def _rounding(self, grad: Array) -> Array:
        """What another order of summation may do to a gradient."""
        if self.method not in MINIMIZERS:
            return self._unit(grad)
        self.scale = max(self.scale, float(np.abs(grad).max()))
        return self._unit(np.where(grad == 0, grad, np.asarray(self.scale, grad.dtype)))

    def _unit(self, x: Array) -> Array:
        """-1, 0 or 1 unit in the last place of each element."""
        assert self.noise is not None  # noqa: S101 - asked only with noise
        sign: Array = self.noise.integers(-1, 2, x.shape, np.int8).astype(x.dtype)
        return sign * np.spacing(np.abs(x))


def statistics(model: Any) -> Sequence[Array]:
    """Running means and variances of every batch normalization below an op, in Torch's order."""
    found = [
        getattr(model, name) for name in ("running_mean", "running_var") if hasattr(model, name)
    ]
    for child in model.children:
        found += statistics(child)
    return found
