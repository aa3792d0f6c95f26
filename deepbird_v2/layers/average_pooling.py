"""Average pooling whose border counts or does not, and averages of evenly shared windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepbird_v2.layers.geometry import adaptive_edges, border, spatial_shape, window_counts

__all__ = ["AdaptiveAveragePooling", "AveragePooling", "SubSampling"]


@keras.saving.register_keras_serializable("deepbird")
class AveragePooling(keras.layers.Layer):
    """The mean of each window of [N, *S, C], over one to three spatial axes.

    Args:
        pool_size: elements of a window along each spatial axis.
        strides: distance of windows.
        padding: width of the border of zeros on either side.
        ceil: see :func:`deepbird_v2.layers.geometry.window_counts`.
        count_padding: whether zeros of the border count as elements. What a last window of ``ceil``
            sees beyond the border never counts.
        scale: the mean is multiplied by this.
    """

    def __init__(
        self,
        pool_size: Sequence[int],
        strides: Sequence[int],
        padding: Sequence[int],
        ceil: bool = False,
        count_padding: bool = True,
        scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = tuple(pool_size)
        self.strides = tuple(strides)
        self.padding = tuple(padding)
        self.ceil = ceil
        self.count_padding = count_padding
        self.scale = scale

    def counts(self, size: Sequence[int]) -> tuple[int, ...]:
        """Number of windows along each axis of an image."""
        ones = (1,) * len(self.pool_size)
        return window_counts(size, self.pool_size, self.strides, self.padding, ones, self.ceil)

    def call(self, x: Any) -> Any:
        """See the class."""
        size = spatial_shape(self, x.shape)
        counts = self.counts(size)
        reach = [
            max(0, s * (count - 1) + k - n - p)
            for n, k, s, p, count in zip(
                size, self.pool_size, self.strides, self.padding, counts, strict=True
            )
        ]
        y = _mean(border(x, self.padding, reach), self.pool_size, self.strides)
        factor = self._factor(size, counts)
        return y if np.all(factor == 1) else y * tf.constant(factor[..., None], y.dtype)

    def _factor(self, size: tuple[int, ...], counts: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """What corrects the mean over all elements of a window; [*windows]."""
        factor = np.full((1,) * len(size), self.scale)
        walk = zip(size, self.pool_size, self.strides, self.padding, counts, strict=True)
        for axis, (n, k, s, p, count) in enumerate(walk):
            start = np.arange(count) * s - p
            if self.count_padding:
                elements = np.minimum(start + k, n + p) - start
            else:
                elements = np.minimum(start + k, n) - np.maximum(start, 0)
            shape = [1] * len(size)
            shape[axis] = count
            factor = factor * (k / elements).reshape(shape)
        return factor

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """[N, windows along each axis, C]."""
        return (input_shape[0], *self.counts(spatial_shape(self, input_shape)), input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "ceil": self.ceil,
            "count_padding": self.count_padding,
            "scale": self.scale,
        }


def _mean(x: Any, pool: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """Means of whole windows; of volumes slice by slice, then across the slices."""
    if len(pool) == 1:
        return tf.squeeze(tf.nn.avg_pool2d(x[:, :, None], (*pool, 1), (*strides, 1), "VALID"), 2)
    if len(pool) == 2:
        return tf.nn.avg_pool2d(x, pool, strides, "VALID")
    batch = tf.shape(x)[0]
    _, depth, _, _, channels = x.shape
    slices = tf.reshape(x, (-1, *x.shape[2:]))
    flat = tf.nn.avg_pool2d(slices, pool[1:], strides[1:], "VALID")
    height, width = flat.shape[1:3]
    stacked = tf.reshape(flat, (batch, depth, height * width, channels))
    y = tf.nn.avg_pool2d(stacked, (pool[0], 1), (strides[0], 1), "VALID")
    return tf.reshape(y, (batch, y.shape[1], height, width, channels))


@keras.saving.register_keras_serializable("deepbird")
class SubSampling(AveragePooling):
    """The sum of each window times the channel's weight, plus the channel's bias.

    Args:
        pool_size: elements of a window along each spatial axis.
        strides: distance of windows.
    """

    def __init__(self, pool_size: Sequence[int], strides: Sequence[int], **kwargs: Any) -> None:
        super().__init__(
            pool_size, strides, (0,) * len(pool_size), scale=float(math.prod(pool_size)), **kwargs
        )

    def build(self, input_shape: Any) -> None:
        """Make the variables: kernel [C] and bias [C]."""
        shape = (input_shape[-1],)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="ones")
        self.bias = self.add_weight(name="bias", shape=shape, initializer="zeros")
        self.built = True

    def call(self, x: Any) -> Any:
        """See the class."""
        return super().call(x) * self.kernel + self.bias

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        config = super().get_config()
        implied = ("padding", "ceil", "count_padding", "scale")
        return {name: value for name, value in config.items() if name not in implied}


@keras.saving.register_keras_serializable("deepbird")
class AdaptiveAveragePooling(keras.layers.Layer):
    """The means of ``output_size`` windows that share [N, *S, C] evenly.

    Args:
        output_size: number of windows along each spatial axis.
    """

    def __init__(self, output_size: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_size = tuple(output_size)

    def call(self, x: Any) -> Any:
        """See the class."""
        for axis, n in enumerate(spatial_shape(self, x.shape), 1):
            starts, ends = adaptive_edges(n, self.output_size[axis - 1])
            at = np.arange(n)
            inside = (at >= starts[:, None]) & (at < ends[:, None])
            share = tf.constant(inside / (ends - starts)[:, None], x.dtype)
            x = keras.ops.moveaxis(keras.ops.tensordot(x, share, ((axis,), (1,))), -1, axis)
        return x

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """[N, *output_size, C]."""
        return (input_shape[0], *self.output_size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {"output_size": self.output_size}
