"""Convolution in which only listed pairs of channels are connected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepbird_v2.layers.geometry import every, spread

__all__ = ["MappedConvolution"]


@keras.saving.register_keras_serializable("deepbird")
class MappedConvolution(keras.layers.Layer):
    """One small kernel for every connection between an input and an output channel.

    Args:
        filters: output channels.
        kernel_size: height and width.
        connections: (input channel, output channel) pairs from 0; a pair may occur twice.
        strides: along height and width.
        transposed: the gradient of the convolution in place of the convolution.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Sequence[int],
        connections: Sequence[Sequence[int]],
        strides: Sequence[int] = (1, 1),
        transposed: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = tuple(kernel_size)
        self.connections = [tuple(pair) for pair in connections]
        self.strides = tuple(strides)
        self.transposed = transposed

    def build(self, input_shape: Any) -> None:
        """Make the variables: kernel [connections, height, width] and bias [filters]."""
        self.channels = int(input_shape[-1])
        shape = (len(self.connections), *self.kernel_size)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        self.built = True

    def call(self, x: Any) -> Any:
        """See the class."""
        kernel, sizes = self._dense(), self.compute_output_shape(x.shape)[1:]
        if self.kernel_size == (1, 1):  # without strides, see spread
            flat = x if self.transposed else every(x, self.strides)
            y = tf.nn.conv2d(flat, kernel, 1, "VALID")
            y = spread(y, self.strides, sizes[:2]) if self.transposed else y
        elif self.transposed:
            shape, back = (tf.shape(x)[0], *sizes), tf.transpose(kernel, (0, 1, 3, 2))
            y = tf.nn.conv2d_transpose(x, back, shape, self.strides, "VALID")
        else:
            y = tf.nn.conv2d(x, kernel, self.strides, "VALID")
        return y + self.bias

    def _dense(self) -> Any:
        """[height, width, input channels, filters], zero where there is no connection."""
        pairs = np.asarray(self.connections)
        cell = pairs[:, 0] * self.filters + pairs[:, 1]
        dense = tf.math.unsorted_segment_sum(
            tf.convert_to_tensor(self.kernel), cell, self.channels * self.filters
        )
        shape = (self.channels, self.filters, *self.kernel_size)
        return tf.transpose(tf.reshape(dense, shape), (2, 3, 0, 1))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """[N, height, width, filters]."""
        sizes = [
            None if n is None else (n - 1) * s + k if self.transposed else (n - k) // s + 1
            for n, k, s in zip(input_shape[1:3], self.kernel_size, self.strides, strict=True)
        ]
        return (input_shape[0], *sizes, self.filters)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "connections": self.connections,
            "strides": self.strides,
            "transposed": self.transposed,
        }
