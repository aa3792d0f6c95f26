"""The nearest of a set of centers that follow the data."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["Kmeans"]


@keras.saving.register_keras_serializable("deepbird")
class Kmeans(keras.layers.Layer):
    """The number, from 1, of the center nearest to each row.

    The gradient of a center, whatever comes from above, is minus the mean way from it to its
    rows, times ``scale``: a step of gradient descent moves it towards them. Rows get none.

    Args:
        centers: how many.
        scale: of the gradient.

    Call arguments:
        x: [batch, features].
    """

    def __init__(self, centers: int, scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.centers, self.scale = centers, scale

    def build(self, input_shape: Any) -> None:
        """Make the centers, [centers, features]."""
        self.weight = self.add_weight((self.centers, input_shape[-1]), name="weight")

    def call(self, x: Any) -> Any:
        """Whole numbers in the input's type, [batch]."""

        @tf.custom_gradient
        def number(rows: Any, centers: Any) -> Any:
            ways = rows[:, None, :] - centers[None]
            nearest = tf.argmin(tf.reduce_sum(tf.square(ways), -1), -1)

            def gradient(_: Any) -> tuple[Any, Any]:
                ones = tf.ones_like(rows[:, 0])
                count = tf.math.unsorted_segment_sum(ones, nearest, self.centers)
                towards = tf.math.unsorted_segment_sum(
                    rows - tf.gather(centers, nearest), nearest, self.centers
                )
                step = -self.scale * towards / tf.maximum(count, 1)[:, None]
                return tf.zeros_like(rows), step

            return tf.cast(nearest + 1, rows.dtype), gradient

        return number(x, tf.convert_to_tensor(self.weight))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[batch]."""
        return input_shape[:-1]

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "centers": self.centers, "scale": self.scale}
