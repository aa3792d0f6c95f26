"""Averaged gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import tensorflow as tf

from deepbird_v2.optimizers.base import Optimizer, Slots

__all__ = ["ASGD"]


@keras.saving.register_keras_serializable("deepbird")
class ASGD(Optimizer):
    """Gradient descent that also keeps the average of where it was, in the slot ``average``.

    The rate of step t (from 0) is learning_rate / (1 + decay · learning_rate · t) ^ power, and
    averaging starts after ``start_averaging`` steps.

    Args:
        learning_rate: of the first step (Torch's ``eta0``).
        decay: every step multiplies x by 1 - decay · rate (Torch's ``lambda``).
        power: see above (Torch's ``alpha``).
        start_averaging: see above (Torch's ``t0``).
        kwargs: see the base.
    """

    slots: ClassVar[Mapping[str, float]] = {"average": 0.0}

    def __init__(
        self,
        learning_rate: Any = 1e-4,
        decay: float = 1e-4,
        power: float = 0.75,
        start_averaging: float = 1e6,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.decay, self.power = float(decay), float(power)
        self.start_averaging = float(start_averaging)

    def rule(self, grad: Any, x: Any, slots: Slots, rate: Any) -> tuple[Any, Slots]:
        """See the base."""
        eta = rate / tf.pow(1.0 + self.decay * rate * self.steps(), self.power)
        x = x * tf.cast(1.0 - self.decay * eta, x.dtype) - tf.cast(eta, x.dtype) * grad
        averaged = tf.where(self.steps() > 0, self.steps() - self.start_averaging, 1.0)
        weight = 1.0 / tf.maximum(tf.constant(1.0, tf.float64), averaged)
        moved = slots["average"] + (x - slots["average"]) * tf.cast(weight, x.dtype)
        return x, {"average": tf.where(weight < 1.0, moved, x)}

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return super().get_config() | {
            "decay": self.decay,
            "power": self.power,
            "start_averaging": self.start_averaging,
        }
