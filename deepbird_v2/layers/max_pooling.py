"""Max pooling that says which of equal values it takes, and its inverse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepbird_v2.layers.geometry import adaptive_edges, border, spatial_shape, window_counts

__all__ = ["AdaptiveMaxPooling", "MaxPooling", "MaxPoolingIndices", "MaxUnpooling"]


class _Walk(keras.layers.Layer):
    """Base: windows over images.

    Args:
        pool_size: elements of a window along each spatial axis.
        strides: distance of windows.
        padding: width of the border on either side; it is never the largest.
        dilation: distance of a window's elements.
        ceil: see :func:`deepbird_v2.layers.geometry.window_counts`.
    """

    def __init__(
        self,
        pool_size: Sequence[int],
        strides: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        ceil: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = tuple(pool_size)
        self.strides = tuple(strides)
        self.padding = tuple(padding)
        self.dilation = tuple(dilation)
        self.ceil = ceil

    def counts(self, size: Sequence[int]) -> tuple[int, ...]:
        """Number of windows along each axis of an image."""
        return window_counts(
            size, self.pool_size, self.strides, self.padding, self.dilation, self.ceil
        )

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """[N, windows along each axis, C]."""
        return (input_shape[0], *self.counts(spatial_shape(self, input_shape)), input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation": self.dilation,
            "ceil": self.ceil,
        }


@keras.saving.register_keras_serializable("deepbird")
class MaxPooling(_Walk):
    """The largest of each window of [N, *S, C], over one to three spatial axes.

    The gradient goes to the first of equal values, in the order of the image's rows.
    """

    def call(self, x: Any) -> Any:
        """See the class."""
        size = spatial_shape(self, x.shape)
        counts = self.counts(size)
        reach = [
            max(0, s * (count - 1) + d * (k - 1) + 1 - n - p)
            for n, k, s, p, d, count in zip(
                size, self.pool_size, self.strides, self.padding, self.dilation, counts, strict=True
            )
        ]
        x = border(x, self.padding, reach, value=x.dtype.min)
        if any(d > 1 for d in self.dilation):
            return self._dilated(x, counts)
        return _pool(x, self.pool_size, self.strides)

    def _dilated(self, x: Any, counts: tuple[int, ...]) -> Any:
        axes = zip(self.pool_size, self.strides, self.dilation, counts, strict=True)
        for axis, (k, s, d, count) in reversed(list(enumerate(axes, 1))):
            x = first_largest(x, np.arange(count)[:, None] * s + np.arange(k) * d, axis)
        return x


def _pool(x: Any, pool: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """Windows without dilation or border; volumes slice by slice, then across the slices."""
    if len(pool) == 1:
        return tf.squeeze(tf.nn.max_pool2d(x[:, :, None], (*pool, 1), (*strides, 1), "VALID"), 2)
    if len(pool) == 2:
        return tf.nn.max_pool2d(x, pool, strides, "VALID")
    shape = tf.shape(x)
    _, depth, _, _, channels = x.shape
    slices = tf.reshape(x, (-1, *x.shape[2:]))
    flat = tf.nn.max_pool2d(slices, pool[1:], strides[1:], "VALID")
    height, width = flat.shape[1:3]
    stacked = tf.reshape(flat, (shape[0], depth, height * width, channels))
    y = tf.nn.max_pool2d(stacked, (pool[0], 1), (strides[0], 1), "VALID")
    return tf.reshape(y, (shape[0], y.shape[1], height, width, channels))


def first_largest(x: Any, table: np.ndarray[Any, Any], axis: int) -> Any:
    """The largest along ``axis`` of each row of ``table`` [windows, places]; first of equals."""
    best = tf.gather(x, table[:, 0], axis=axis)
    for column in table.T[1:]:
        other = tf.gather(x, column, axis=axis)
        best = tf.where(other > best, other, best)
    return best


@keras.saving.register_keras_serializable("deepbird")
class AdaptiveMaxPooling(keras.layers.Layer):
    """The largest of ``output_size`` windows that share [N, *S, C] evenly.

    Args:
        output_size: number of windows along each spatial axis.
    """

    def __init__(self, output_size: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_size = tuple(output_size)

    def call(self, x: Any) -> Any:
        """See the class."""
        size = spatial_shape(self, x.shape)
        for axis in range(len(size), 0, -1):
            starts, ends = adaptive_edges(size[axis - 1], self.output_size[axis - 1])
            longest = int((ends - starts).max())
            table = np.minimum(starts[:, None] + np.arange(longest), ends[:, None] - 1)
            x = first_largest(x, table, axis)
        return x

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """[N, *output_size, C]."""
        return (input_shape[0], *self.output_size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {"output_size": self.output_size}


@keras.saving.register_keras_serializable("deepbird")
class MaxPoolingIndices(_Walk):
    """Where :class:`MaxPooling` finds its values: row-major places in the image, int32."""

    def call(self, x: Any) -> Any:
        """See the class."""
        size = spatial_shape(self, x.shape)
        counts = self.counts(size)
        table = self._places(size, counts)
        flat = tf.reshape(x, (tf.shape(x)[0], math.prod(size), x.shape[-1]))
        flat = tf.pad(flat, [(0, 0), (0, 1), (0, 0)], constant_values=x.dtype.min)
        seen = tf.gather(flat, table, axis=1)  # [N, windows, places, C]
        first = tf.argmax(seen, axis=2, output_type=tf.int32)
        windows = tf.range(len(table))[None, :, None] * table.shape[1]
        place = tf.gather(table.astype(np.int32).reshape(-1), windows + first)
        return tf.reshape(place, (tf.shape(x)[0], *counts, x.shape[-1]))

    def _places(self, size: tuple[int, ...], counts: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """[windows, places]; one past the last place of the image stands for the border."""
        walk = zip(
            size, self.pool_size, self.strides, self.padding, self.dilation, counts, strict=True
        )
        flat, inside = np.zeros((1, 1), int), np.ones((1, 1), bool)
        for n, k, s, p, d, count in walk:
            at = np.arange(count)[:, None] * s - p + np.arange(k) * d
            flat = flat[:, None, :, None] * n + at[None, :, None, :]
            inside = inside[:, None, :, None] & ((at >= 0) & (at < n))[None, :, None, :]
            rows = flat.shape[0] * flat.shape[1]
            flat, inside = flat.reshape(rows, -1), inside.reshape(rows, -1)
        return np.where(inside, flat, math.prod(size))

    def compute_output_spec(self, x: Any) -> Any:
        """int32 of the pooled shape."""
        return keras.KerasTensor(self.compute_output_shape(x.shape), dtype="int32")


@keras.saving.register_keras_serializable("deepbird")
class MaxUnpooling(keras.layers.Layer):
    """Puts values [N, *S', C] at given places of an image of zeros [N, *size, C].

    Of several values at a place the last stays; the gradient still reaches all of them.

    Args:
        size: of the image.

    Call arguments:
        x: values.
        indices: int32 places, of the shape of ``x``, from :class:`MaxPoolingIndices`.
    """

    def __init__(self, size: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = tuple(size)

    def call(self, x: Any, indices: Any) -> Any:
        """See the class."""
        shape = tf.shape(x)
        batch, channels = shape[0], shape[-1]
        values = tf.reshape(x, (batch, -1, channels))
        places = tf.reshape(indices, (batch, -1, channels))
        return tf.reshape(
            _unpool(values, places, math.prod(self.size)), (batch, *self.size, x.shape[-1])
        )

    def compute_output_shape(self, input_shape: Any, *_: Any) -> tuple[int | None, ...]:
        """[N, *size, C]."""
        return (input_shape[0], *self.size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {"size": self.size}


def _unpool(values: Any, places: Any, size: int) -> Any:
    """[N, P, C] values at ``places`` of [N, size, C]."""
    shape = tf.shape(values)
    batch, count, channels = shape[0], shape[1], shape[2]
    row = tf.range(batch)[:, None, None] * size
    cell = (row + places) * channels + tf.range(channels)  # in [N, size, C], flat
    flat = tf.reshape(cell, [-1])
    order = tf.reshape(
        tf.broadcast_to(tf.range(count)[None, :, None], (batch, count, channels)), [-1]
    )
    cells = batch * size * channels

    @tf.custom_gradient
    def put(v: Any) -> Any:
        last = tf.math.unsorted_segment_max(order, flat, cells)
        stays = tf.gather(last, flat) == order
        kept = tf.where(stays, tf.reshape(v, [-1]), tf.zeros((), v.dtype))
        image = tf.math.unsorted_segment_sum(kept, flat, cells)

        def grad(g: Any) -> Any:
            return tf.gather(tf.reshape(g, [-1]), cell)

        return tf.reshape(image, (batch, size, channels)), grad

    return put(values)
