"""Transposed convolution with any border, and any size of output that the stride allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from deepbird_v2.layers.geometry import border, spatial_shape, spread

__all__ = ["TransposedConvolution"]


@keras.saving.register_keras_serializable("deepbird")
class TransposedConvolution(keras.layers.Layer):
    """The gradient of a convolution as a layer, [N, *S, C] to [N, *S', filters].

    S' = (S - 1) · stride - 2 · padding + kernel + output_padding along each axis.

    Args:
        filters: output channels.
        kernel_size: along each spatial axis, two or three.
        strides: of the convolution whose gradient this is.
        padding: of that convolution, on either side.
        output_padding: further rows at the end, fewer than the stride.
        groups: the channels fall into this many independent groups.
        use_bias: add a bias to each output channel.

    Call arguments:
        x: images.
        output_padding: in place of the layer's own.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Sequence[int],
        strides: Sequence[int],
        padding: Sequence[int],
        output_padding: Sequence[int],
        groups: int = 1,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = tuple(kernel_size)
        self.strides = tuple(strides)
        self.padding = tuple(padding)
        self.output_padding = tuple(output_padding)
        self.groups = groups
        self.use_bias = use_bias

    def build(self, input_shape: Any) -> None:
        """Make the variables: kernel [*kernel_size, filters/groups, C] and bias [filters]."""
        shape = (*self.kernel_size, self.filters // self.groups, input_shape[-1])
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        self.built = True

    def call(self, x: Any, output_padding: Sequence[int] | None = None) -> Any:
        """See the class."""
        kernel = tf.split(tf.convert_to_tensor(self.kernel), self.groups, -1)
        whole = self._whole(x, output_padding)
        parts = zip(tf.split(x, self.groups, -1), kernel, strict=True)
        y = tf.concat([self._transposed(part, filters, whole) for part, filters in parts], -1)
        crop = tuple(-p for p in self.padding)
        y = border(y, crop, crop)
        return y + self.bias if self.use_bias else y

    def _transposed(self, x: Any, kernel: Any, whole: list[int]) -> Any:
        shape = (tf.shape(x)[0], *whole, self.filters // self.groups)
        if set(self.kernel_size) == {1}:
            return spread(
                tf.einsum("n...c,fc->n...f", x, tf.reshape(kernel, kernel.shape[-2:])),
                self.strides,
                whole,
            )
        return tf.nn.conv_transpose(x, kernel, shape, self.strides, "VALID")

    def compute_output_spec(self, x: Any, output_padding: Sequence[int] | None = None) -> Any:
        """[N, *S', filters]."""
        sizes = [
            n - 2 * p for n, p in zip(self._whole(x, output_padding), self.padding, strict=True)
        ]
        return keras.KerasTensor((x.shape[0], *sizes, self.filters), dtype=self.compute_dtype)

    def _whole(self, x: Any, output_padding: Sequence[int] | None) -> list[int]:
        """Sizes before the border is cut off."""
        extra = self.output_padding if output_padding is None else output_padding
        walk = zip(spatial_shape(self, x.shape), self.strides, self.kernel_size, extra, strict=True)
        return [(n - 1) * s + k + e for n, s, k, e in walk]

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "output_padding": self.output_padding,
            "groups": self.groups,
            "use_bias": self.use_bias,
        }
