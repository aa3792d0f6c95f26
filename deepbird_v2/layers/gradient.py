"""Layers that give their input and change only its gradient."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["GradientReversal", "L1Penalty"]


@keras.saving.register_keras_serializable("deepbird")
class GradientReversal(keras.layers.Layer):
    """The input; its gradient is scaled by −``strength`` (0 lets none pass).

    Args:
        strength: what the gradient is scaled by, with the sign turned.

    Call arguments:
        x: any shape.
    """

    def __init__(self, strength: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.strength = strength
        self.built = True

    def call(self, x: Any) -> Any:
        """See the class."""

        @tf.custom_gradient
        def reverse(value: Any) -> Any:
            return tf.identity(value), lambda upstream: upstream * -self.strength

        return reverse(x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "strength": self.strength}


@keras.saving.register_keras_serializable("deepbird")
class L1Penalty(keras.layers.Layer):
    """The input; the gradient of ``weight``·Σ|x| is added to its own.

    Args:
        weight: of the penalty.
        average: the penalty is the mean of |x|, not the sum.
        pass_gradient: False leaves the penalty's gradient alone.

    Call arguments:
        x: any shape.
    """

    def __init__(
        self, weight: float, average: bool = False, pass_gradient: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.weight, self.average, self.pass_gradient = weight, average, pass_gradient
        self.built = True

    def call(self, x: Any) -> Any:
        """See the class."""

        @tf.custom_gradient
        def penalize(value: Any) -> Any:
            def gradient(upstream: Any) -> Any:
                own = tf.sign(value) * self.weight
                if self.average:
                    own = own / tf.cast(tf.size(value), value.dtype)
                return upstream + own if self.pass_gradient else own

            return tf.identity(value), gradient

        return penalize(x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "weight": self.weight,
            "average": self.average,
            "pass_gradient": self.pass_gradient,
        }
