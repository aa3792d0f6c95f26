"""The elements of a tensor that a mask picks."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["MaskedSelect"]


@keras.saving.register_keras_serializable("deepbird")
class MaskedSelect(keras.layers.Layer):
    """The elements where the mask is not 0, as a vector in row-major order.

    Call arguments:
        inputs: [values, mask] of one shape.
    """

    def call(self, inputs: Any) -> Any:
        """See the class."""
        values, mask = inputs
        return tf.boolean_mask(values, tf.not_equal(mask, tf.zeros([], mask.dtype)))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """A vector of unknown length."""
        return (None,)

    def compute_output_spec(self, inputs: Any) -> Any:
        """A vector of unknown length, of the values' type."""
        return keras.KerasTensor((None,), inputs[0].dtype)
