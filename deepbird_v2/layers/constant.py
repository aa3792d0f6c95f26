"""A layer that gives a constant."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["Constant"]


@keras.saving.register_keras_serializable("deepbird")
class Constant(keras.layers.Layer):
    """A constant tensor, whatever the input.

    Args:
        shape: of the constant.
        batched: the constant is repeated for each row of the input.

    Call arguments:
        x: any tensor.
    """

    def __init__(self, shape: tuple[int, ...], batched: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape, self.batched = tuple(shape), batched
        self.value = self.add_weight(
            shape=self.shape, name="value", initializer="zeros", trainable=False
        )
        self.built = True

    def call(self, x: Any) -> Any:
        """See the class."""
        value = tf.convert_to_tensor(self.value)
        if not self.batched:
            return tf.identity(value)
        return tf.broadcast_to(value, tf.concat([tf.shape(x)[:1], self.shape], 0))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The constant's shape, with the batch if it has one."""
        return (input_shape[0], *self.shape) if self.batched else self.shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments; the value is saved as a weight."""
        return {**super().get_config(), "shape": list(self.shape), "batched": self.batched}
