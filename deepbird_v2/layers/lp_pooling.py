"""p-norms of neighbouring features."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["FeatureLPPooling"]


@keras.saving.register_keras_serializable("deepbird")
class FeatureLPPooling(keras.layers.Layer):
    """(Σ x^p)^(1/p) over windows along one axis, without taking |x|.

    Where the result is 0 the gradient is 0.

    Args:
        width: elements of a window.
        power: p.
        stride: distance of windows.
        axis: of the features.
    """

    def __init__(self, width: int, power: float, stride: int, axis: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.power = power
        self.stride = stride
        self.axis = axis

    def call(self, x: Any) -> Any:
        """See the class."""
        count = self.compute_output_shape(x.shape)[self.axis]
        table = np.arange(count)[:, None] * self.stride + np.arange(self.width)
        return _norm(tf.gather(x, table, axis=self.axis), self.power, self.axis + 1)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """As the input, with the number of windows in place of the features."""
        shape = list(input_shape)
        if shape[self.axis] is None:
            raise ValueError(f"{self.name}: needs to know the number of features, got {shape}")
        shape[self.axis] = (shape[self.axis] - self.width) // self.stride + 1
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {
            "width": self.width,
            "power": self.power,
            "stride": self.stride,
            "axis": self.axis,
        }


def _norm(seen: Any, power: float, axis: int) -> Any:
    """The p-norm along ``axis``."""

    @tf.custom_gradient
    def norm(x: Any) -> Any:
        p = tf.constant(power, x.dtype)
        y = tf.reduce_sum(x**p, axis) ** (1 / p)

        def grad(g: Any) -> Any:
            whole, share = tf.expand_dims(y, axis), tf.expand_dims(g, axis)
            return tf.where(whole == 0, tf.zeros((), x.dtype), share * (x / whole) ** (p - 1))

        return y, grad

    return norm(seen)
