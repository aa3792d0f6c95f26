"""Convolution whose kernel differs from place to place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

__all__ = ["LocalConvolution"]


@keras.saving.register_keras_serializable("deepbird")
class LocalConvolution(keras.layers.Layer):
    """A kernel and a bias of its own for every place of the output, [N, H, W, C] to [N, H', W', F].

    Args:
        filters: output channels.
        kernel_size: height and width.
        strides: along height and width.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Sequence[int],
        strides: Sequence[int] = (1, 1),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = tuple(kernel_size)
        self.strides = tuple(strides)

    def build(self, input_shape: Any) -> None:
        """Make the variables: kernel [H', W', height·width·C, filters], bias [H', W', filters]."""
        _, height, width, filters = self.compute_output_shape(input_shape)
        seen = self.kernel_size[0] * self.kernel_size[1] * input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel", shape=(height, width, seen, filters), initializer="glorot_uniform"
        )
        self.bias = self.add_weight(
            name="bias", shape=(height, width, filters), initializer="zeros"
        )
        self.built = True

    def call(self, x: Any) -> Any:
        """See the class."""
        patches = tf.image.extract_patches(
            x, (1, *self.kernel_size, 1), (1, *self.strides, 1), (1, 1, 1, 1), "VALID"
        )
        return tf.einsum("nhwp,hwpf->nhwf", patches, self.kernel) + self.bias

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """[N, H', W', filters]."""
        sizes = [
            (n - k) // s + 1
            for n, k, s in zip(input_shape[1:3], self.kernel_size, self.strides, strict=True)
        ]
        return (input_shape[0], *sizes, self.filters)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
        }
