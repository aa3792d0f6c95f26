"""Rprop: steps that follow the sign of the gradient, not its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import tensorflow as tf

from deepbird_v2.optimizers.base import Optimizer, Slots

__all__ = ["Rprop"]


@keras.saving.register_keras_serializable("deepbird")
class Rprop(Optimizer):
    """Step sizes an element grow while its gradient keeps its sign; after a turn it rests once.

    Args:
        step_size: of the first step.
        grow: factor while the sign stays.
        shrink: factor after a turn.
        largest: bound of the step size.
        smallest: bound of the step size.
        evaluations: gradients that one step takes of the same batch.
        kwargs: see the base; there is no rate but ``step_size``.
    """

    slots: ClassVar[Mapping[str, float]] = {"gradient": 0.0, "size": 0.1}

    def __init__(
        self,
        step_size: float = 0.1,
        grow: float = 1.2,
        shrink: float = 0.5,
        largest: float = 50.0,
        smallest: float = 1e-6,
        evaluations: int = 1,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("learning_rate", None)  # of a config: Keras always writes one
        super().__init__(1.0, **kwargs)
        self.step_size, self.grow, self.shrink = float(step_size), float(grow), float(shrink)
        self.largest, self.smallest, self.evaluations = float(largest), float(smallest), evaluations

    def start(self, name: str) -> float:
        """The first step size."""
        return self.step_size if name == "size" else 0.0

    def rule(self, grad: Any, x: Any, slots: Slots, rate: Any) -> tuple[Any, Slots]:
        """See the base."""
        turn = slots["gradient"] * grad  # NaN is no turn, and has no sign, in Torch
        one = tf.ones_like(x)
        factor = tf.where(turn > 0, self.grow * one, tf.where(turn < 0, self.shrink * one, one))
        size = slots["size"] * factor
        size = tf.where(size > self.largest, self.largest * one, size)
        size = tf.where(size < self.smallest, self.smallest * one, size)
        grad = tf.where(turn < 0, tf.zeros_like(grad), grad)
        sign = tf.cast(grad > 0, x.dtype) - tf.cast(grad < 0, x.dtype)
        return x - sign * size, {"gradient": grad, "size": size}

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return super().get_config() | {
            "step_size": self.step_size,
            "grow": self.grow,
            "shrink": self.shrink,
            "largest": self.largest,
            "smallest": self.smallest,
            "evaluations": self.evaluations,
        }
