"""Rectified units with a slope below zero that is learned, or drawn."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["PReLU", "RReLU"]


@keras.saving.register_keras_serializable("deepbird")
class PReLU(keras.layers.Layer):
    """x above 0, else slope·x, with one learned slope or one a channel.

    Unlike Keras' own, the derivative at 0 is the slope.

    Args:
        units: number of channels; None for one slope that all elements share.
        axis: of the channels.
        initial: value of the slopes before training.

    Call arguments:
        x: any shape with ``units`` entries along ``axis``.
    """

    def __init__(
        self, units: int | None = None, axis: int = -1, initial: float = 0.25, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.axis, self.initial = units, axis, initial
        self.alpha = self.add_weight(
            shape=(units or 1,), name="alpha", initializer=keras.initializers.Constant(initial)
        )
        self.built = True

    def call(self, x: Any) -> Any:
        """See the class."""
        alpha = tf.convert_to_tensor(self.alpha)
        rank = len(x.shape)
        if self.units is not None and self.axis not in (-1, rank - 1):
            shape = [1] * rank
            shape[self.axis] = self.units
            alpha = tf.reshape(alpha, shape)
        return tf.where(x > 0, x, alpha * x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "axis": self.axis,
            "initial": self.initial,
        }


@keras.saving.register_keras_serializable("deepbird")
class RReLU(keras.layers.Layer):
    """x above 0, else slope·x; training draws a slope an element, else it is their mean.

    Args:
        lower: least slope.
        upper: greatest slope.
        seed: of the slopes; None for a different one each time.

    Call arguments:
        x: any shape.
        training: whether to draw.
    """

    def __init__(
        self, lower: float = 1 / 8, upper: float = 1 / 3, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.lower, self.upper, self.seed = lower, upper, seed
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        """See the class."""
        slope: Any = (self.lower + self.upper) / 2
        if training:
            slope = keras.random.uniform(
                tf.shape(x), self.lower, self.upper, dtype=x.dtype, seed=self.generator
            )
        return tf.where(x > 0, x, slope * x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "lower": self.lower, "upper": self.upper, "seed": self.seed}
