"""A form that is linear in each of two inputs."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["Bilinear"]


@keras.saving.register_keras_serializable("deepbird")
class Bilinear(keras.layers.Layer):
    """a W b for each output's matrix W, plus a bias.

    Args:
        units: number of outputs.
        use_bias: whether there is a bias.

    Call arguments:
        inputs: [batch, m] and [batch, n]; gives [batch, units].
    """

    def __init__(self, units: int, use_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.use_bias = units, use_bias

    def build(self, input_shape: Any) -> None:
        """Make the matrices, [units, m, n], and the bias."""
        first, second = input_shape
        self.kernel = self.add_weight(shape=(self.units, first[-1], second[-1]), name="kernel")
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.units,), name="bias", initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """See the class."""
        first, second = inputs
        y = tf.einsum("boj,bj->bo", tf.einsum("bi,oij->boj", first, self.kernel), second)
        return y + self.bias if self.use_bias else y

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[batch, units]."""
        return (input_shape[0][0], self.units)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "units": self.units, "use_bias": self.use_bias}
