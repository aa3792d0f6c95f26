"""Greatest and least entries along an axis."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["Extreme"]


@keras.saving.register_keras_serializable("deepbird")
class Extreme(keras.layers.Layer):
    """The greatest (or least) entry along an axis; of equal ones the first gets the gradient.

    TensorFlow's own reductions share the gradient between equal entries.

    Args:
        axis: along which.
        least: the least, not the greatest.
        keepdims: whether the axis stays, with size 1.

    Call arguments:
        x: any shape.
    """

    def __init__(
        self, axis: int, least: bool = False, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.least, self.keepdims = axis, least, keepdims
        self.built = True

    def call(self, x: Any) -> Any:
        """See the class."""
        reduce, place = (tf.reduce_min, tf.argmin) if self.least else (tf.reduce_max, tf.argmax)

        @tf.custom_gradient
        def extreme(value: Any) -> Any:
            def gradient(upstream: Any) -> Any:
                kept = upstream if self.keepdims else tf.expand_dims(upstream, self.axis)
                first = tf.one_hot(
                    place(value, self.axis),
                    tf.shape(value)[self.axis],
                    axis=self.axis,
                    dtype=value.dtype,
                )
                return kept * first

            return reduce(value, self.axis, keepdims=self.keepdims), gradient

        return extreme(x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Without the axis, or with size 1 there."""
        shape = list(input_shape)
        if self.keepdims:
            shape[self.axis] = 1
        else:
            del shape[self.axis]
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "least": self.least,
            "keepdims": self.keepdims,
        }
