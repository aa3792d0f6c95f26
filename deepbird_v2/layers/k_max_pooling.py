"""The largest values of a sequence, in their order of time."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["KMaxPooling"]


@keras.saving.register_keras_serializable("deepbird")
class KMaxPooling(keras.layers.Layer):
    """[N, frames, features] to the ``k`` largest frames of each feature, in order of time.

    Of equal values the earlier are kept.

    Args:
        k: number of frames to keep.
    """

    def __init__(self, k: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.k = k

    def call(self, x: Any) -> Any:
        """See the class."""
        rows = tf.transpose(x, (0, 2, 1))
        places = tf.sort(tf.math.top_k(rows, self.k).indices, axis=-1)
        return tf.transpose(tf.gather(rows, places, batch_dims=2), (0, 2, 1))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """[N, k, features]."""
        return (input_shape[0], self.k, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {"k": self.k}
