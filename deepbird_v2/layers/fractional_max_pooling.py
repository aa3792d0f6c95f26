"""Max pooling over windows that are drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepbird_v2.layers.geometry import spatial_shape

__all__ = ["FractionalMaxPooling", "starts"]


@keras.saving.register_keras_serializable("deepbird")
class FractionalMaxPooling(keras.layers.Layer):
    """The largest of overlapping windows of [N, *S, C] whose starts are drawn, in evaluation, too.

    Every image and every channel has windows of its own. One number u in [0, 1) an axis places
    them: the i-th starts at ⌊(i + u)·α⌋ - ⌊u·α⌋ with α = (size - window) / (windows - 1), and the
    last one ends with the image.

    Args:
        pool_size: elements of a window along each spatial axis.
        output_size: number of windows along each spatial axis.
        samples: fixed numbers [N, C, axes] in place of drawn ones.
        seed: of the draws.
    """

    def __init__(
        self,
        pool_size: Sequence[int],
        output_size: Sequence[int],
        samples: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = tuple(pool_size)
        self.output_size = tuple(output_size)
        self.samples = samples if samples is None else np.asarray(samples).tolist()
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, x: Any) -> Any:
        """See the class."""
        size = spatial_shape(self, x.shape)
        batch, channels = tf.shape(x)[0], x.shape[-1]
        if self.samples is None:
            shape = (batch, channels, len(size))
            u = keras.random.uniform(shape, dtype=x.dtype, seed=self.generator)
        else:
            u = tf.constant(self.samples, x.dtype)
        places = tf.zeros((batch, channels, 1, 1), tf.int32)
        for axis, n in enumerate(size):
            count, window = self.output_size[axis], self.pool_size[axis]
            along = starts(u[..., axis], n - window, count)[..., None] + tf.range(window)
            places = places[..., :, None, :, None] * n + along[:, :, None, :, None, :]
            seen = int(np.prod(self.pool_size[: axis + 1]))
            places = tf.reshape(places, (batch, channels, -1, seen))
        planes = tf.reshape(tf.einsum("n...c->nc...", x), (batch, channels, -1))
        seen = tf.gather(planes, places, batch_dims=2)  # [N, C, windows, places]
        first = tf.argmax(seen, axis=-1, output_type=tf.int32)
        y = tf.gather(seen, first, batch_dims=3)
        return tf.einsum("nc...->n...c", tf.reshape(y, (batch, channels, *self.output_size)))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """[N, *output_size, C]."""
        return (input_shape[0], *self.output_size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {
            "pool_size": self.pool_size,
            "output_size": self.output_size,
            "samples": self.samples,
            "seed": self.seed,
        }


def starts(u: Any, room: int, count: int) -> Any:
    """Where ``count`` windows start that may move by ``room``: int32 [..., count] for u [...]."""
    last = tf.fill((*tf.unstack(tf.shape(u)), 1), room)
    if count == 1:
        return last
    alpha = tf.constant(room, u.dtype) / tf.constant(count - 1, u.dtype)
    at = tf.range(count - 1, dtype=u.dtype) + u[..., None]
    first = tf.cast(u[..., None] * alpha, tf.int32)
    return tf.concat([tf.cast(at * alpha, tf.int32) - first, last], -1)
