"""Adam and Adamax as Lua Torch has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import tensorflow as tf

from deepbird_v2.optimizers.base import Optimizer, Slots

__all__ = ["Adam", "Adamax"]


class _Moments(Optimizer):
    """Running moments of the gradient, corrected for their start at zero.

    Args:
        learning_rate: see the base.
        beta_1: share of the first moment that is kept.
        beta_2: share of the second.
        epsilon: keeps the divisor from zero.
        kwargs: see the base.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = float(beta_1), float(beta_2)
        self.epsilon = float(epsilon)

    def missing(self, beta: float) -> Any:
        """What a moment lacks after this step: 1 - beta^t, float64."""
        return 1.0 - tf.pow(tf.constant(beta, tf.float64), self.steps() + 1.0)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return super().get_config() | {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


@keras.saving.register_keras_serializable("deepbird")
class Adam(_Moments):
    """Adam; epsilon is added to the root before the bias correction, which is in the step size."""

    slots: ClassVar[Mapping[str, float]] = {"first": 0.0, "second": 0.0}

    def rule(self, grad: Any, x: Any, slots: Slots, rate: Any) -> tuple[Any, Slots]:
        """See the base."""
        first = slots["first"] * self.beta_1 + (1.0 - self.beta_1) * grad
        second = slots["second"] * self.beta_2 + (1.0 - self.beta_2) * grad * grad
        size = rate * tf.sqrt(self.missing(self.beta_2)) / self.missing(self.beta_1)
        step = -tf.cast(size, x.dtype) * first / (tf.sqrt(second) + self.epsilon)
        return x + step, {"first": first, "second": second}


@keras.saving.register_keras_serializable("deepbird")
class Adamax(_Moments):
    """Adam with the largest decayed gradient in place of the second moment.

    An element that never had a gradient stays: Torch divides 0 by ``epsilon``, which TensorFlow
    may round to 0 in single precision.
    """

    slots: ClassVar[Mapping[str, float]] = {"first": 0.0, "largest": 0.0}

    def __init__(self, learning_rate: Any = 2e-3, epsilon: float = 1e-38, **kwargs: Any) -> None:
        super().__init__(learning_rate, epsilon=epsilon, **kwargs)

    def rule(self, grad: Any, x: Any, slots: Slots, rate: Any) -> tuple[Any, Slots]:
        """See the base."""
        first = slots["first"] * self.beta_1 + (1.0 - self.beta_1) * grad
        largest = tf.maximum(slots["largest"] * self.beta_2, tf.abs(grad) + self.epsilon)
        size = tf.cast(rate / self.missing(self.beta_1), x.dtype)
        step = tf.math.divide_no_nan(-size * first, largest)
        return x + step, {"first": first, "largest": largest}
