"""Learned factors and offsets, broadcast over the input."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["Offset", "Scale"]


class _Broadcast(keras.layers.Layer):
    """A learned tensor that is combined with the input.

    Args:
        shape: of the tensor; NumPy's rules say how it meets the input.

    Call arguments:
        x: any shape that ``shape`` broadcasts to.
    """

    initializer = "zeros"

    def __init__(self, shape: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.kernel = self.add_weight(shape=self.shape, name="kernel", initializer=self.initializer)
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "shape": list(self.shape)}


@keras.saving.register_keras_serializable("deepbird")
class Scale(_Broadcast):
    """The input times a learned tensor of ``shape``, broadcast as NumPy does."""

    initializer = "ones"

    def call(self, x: Any) -> Any:
        """The input times the tensor."""
        return x * tf.convert_to_tensor(self.kernel)


@keras.saving.register_keras_serializable("deepbird")
class Offset(_Broadcast):
    """The input plus a learned tensor of ``shape``, broadcast as NumPy does."""

    def call(self, x: Any) -> Any:
        """The input plus the tensor."""
        return x + tf.convert_to_tensor(self.kernel)
