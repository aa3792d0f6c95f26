"""Rates an element that follow the size of its gradients: Adagrad, Adadelta, RMSprop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import tensorflow as tf

from deepbird_v2.optimizers.base import Optimizer, Slots

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


@keras.saving.register_keras_serializable("deepbird")
class Adagrad(Optimizer):
    """Divides by the root of the sum of all squared gradients, plus 1e-10."""

    slots: ClassVar[Mapping[str, float]] = {"squares": 0.0}

    @property
    def rests(self) -> bool:
        """An element without gradient stays."""
        return True

    def rule(self, grad: Any, x: Any, slots: Slots, rate: Any) -> tuple[Any, Slots]:
        """See the base."""
        squares = slots["squares"] + grad * grad
        step = -tf.cast(rate, x.dtype) * grad / (tf.sqrt(squares) + 1e-10)
        return x + step, {"squares": squares}

    def fused(self, grad: Any, variable: Any, slots: Slots, rate: Any) -> bool:
        """TensorFlow's second Adagrad has its epsilon where Torch has it."""
        kernels = tf.raw_ops
        lr, epsilon = tf.cast(rate, variable.dtype), tf.constant(1e-10, variable.dtype)
        where = {"var": variable.handle, "accum": slots["squares"].handle, "lr": lr}
        if isinstance(grad, tf.IndexedSlices):
            kernels.ResourceSparseApplyAdagradV2(
                **where, epsilon=epsilon, grad=grad.values, indices=grad.indices
            )
        else:
            kernels.ResourceApplyAdagradV2(**where, epsilon=epsilon, grad=grad)
        return True


@keras.saving.register_keras_serializable("deepbird")
class Adadelta(Optimizer):
    """Steps of the size of the last steps; epsilon is inside the roots.

    Args:
        learning_rate: factor of the step; Torch has none.
        rho: share of the old averages that is kept.
        epsilon: added to the averages.
        kwargs: see the base.
    """

    slots: ClassVar[Mapping[str, float]] = {"squares": 0.0, "steps": 0.0}

    def __init__(
        self, learning_rate: Any = 1.0, rho: float = 0.9, epsilon: float = 1e-6, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho, self.epsilon = float(rho), float(epsilon)

    def rule(self, grad: Any, x: Any, slots: Slots, rate: Any) -> tuple[Any, Slots]:
        """See the base."""
        squares = slots["squares"] * self.rho + (1.0 - self.rho) * grad * grad
        delta = tf.sqrt(slots["steps"] + self.epsilon) / tf.sqrt(squares + self.epsilon) * grad
        steps = slots["steps"] * self.rho + (1.0 - self.rho) * delta * delta
        return x - tf.cast(rate, x.dtype) * delta, {"squares": squares, "steps": steps}

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return super().get_config() | {"rho": self.rho, "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("deepbird")
class RMSprop(Optimizer):
    """Divides by the root of the running mean of squared gradients, plus epsilon.

    Args:
        learning_rate: see the base.
        rho: share of the old mean that is kept (Torch's ``alpha``).
        epsilon: added to the root.
        initial_mean: what the mean starts from.
        kwargs: see the base.
    """

    slots: ClassVar[Mapping[str, float]] = {"mean": 0.0}

    def __init__(
        self,
        learning_rate: Any = 1e-2,
        rho: float = 0.99,
        epsilon: float = 1e-8,
        initial_mean: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho, self.epsilon = float(rho), float(epsilon)
        self.initial_mean = float(initial_mean)

    def start(self, name: str) -> float:
        """The initial mean."""
        return self.initial_mean

    def rule(self, grad: Any, x: Any, slots: Slots, rate: Any) -> tuple[Any, Slots]:
        """See the base."""
        mean = slots["mean"] * self.rho + (1.0 - self.rho) * grad * grad
        return x + -tf.cast(rate, x.dtype) * grad / (tf.sqrt(mean) + self.epsilon), {"mean": mean}

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return super().get_config() | {
            "rho": self.rho,
            "epsilon": self.epsilon,
            "initial_mean": self.initial_mean,
        }
