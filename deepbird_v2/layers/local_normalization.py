"""Normalization of images by the surroundings of each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from deepbird_v2.layers.geometry import border

__all__ = ["DivisiveNormalization", "LocalSum", "SubtractiveNormalization"]


@keras.saving.register_keras_serializable("deepbird")
class LocalSum(keras.layers.Layer):
    """A weighted sum over each pixel's surroundings and all channels, [N, H, W, C] to [N, H, W, 1].

    The weights are fixed. A separable sum goes along the width, channel by channel, then along the
    height.

    Args:
        kernel_size: height and width.
        padding: zeros above and below, left and right.
        separable: sum in two steps.
    """

    def __init__(
        self,
        kernel_size: Sequence[int],
        padding: Sequence[int],
        separable: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=False, **kwargs)
        self.kernel_size = tuple(kernel_size)
        self.padding = tuple(padding)
        self.separable = separable

    def build(self, input_shape: Any) -> None:
        """Make the kernel [height, width, C, 1], or [height, 1, C, 1] and rows [1, width, C, 1]."""
        height, width = self.kernel_size
        channels = input_shape[-1]
        shape = (height, 1 if self.separable else width, channels, 1)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="ones")
        if self.separable:
            self.rows = self.add_weight(
                name="rows", shape=(1, width, channels, 1), initializer="ones"
            )
        self.built = True

    def call(self, x: Any) -> Any:
        """See the class."""
        x = border(x, self.padding, self.padding)
        if self.separable:
            x = tf.nn.depthwise_conv2d(x, tf.convert_to_tensor(self.rows), (1, 1, 1, 1), "VALID")
        return tf.nn.conv2d(x, tf.convert_to_tensor(self.kernel), 1, "VALID")

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """[N, H, W, 1]."""
        return (*input_shape[:-1], 1)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        config = super().get_config()
        config.pop("trainable")
        return config | {
            "kernel_size": self.kernel_size,
            "padding": self.padding,
            "separable": self.separable,
        }


@keras.saving.register_keras_serializable("deepbird")
class SubtractiveNormalization(keras.layers.Layer):
    """x minus the mean of its surroundings; at the border only what is inside the image counts.

    Args:
        mean: gives the mean where the surroundings lie inside.
    """

    def __init__(self, mean: LocalSum, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mean = _layer(mean)

    def build(self, input_shape: Any) -> None:
        """Build the mean."""
        _build(self.mean, input_shape)
        self.built = True

    def call(self, x: Any) -> Any:
        """See the class."""
        return x - self.mean(x) / self.mean(tf.ones_like(x[:1]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {"mean": keras.saving.serialize_keras_object(self.mean)}


@keras.saving.register_keras_serializable("deepbird")
class DivisiveNormalization(keras.layers.Layer):
    """x divided by the root mean square of its surroundings, where that exceeds a threshold.

    Args:
        mean: tells how much of the surroundings lies inside the image.
        square: gives the mean of the squares.
        threshold: what the divisor has to exceed.
        value: the divisor where it does not.
    """

    def __init__(
        self, mean: LocalSum, square: LocalSum, threshold: float, value: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.mean = _layer(mean)
        self.square = _layer(square)
        self.threshold = threshold
        self.value = value

    def build(self, input_shape: Any) -> None:
        """Build both sums."""
        _build(self.mean, input_shape)
        _build(self.square, input_shape)
        self.built = True

    def call(self, x: Any) -> Any:
        """See the class."""
        root = _root(self.square(tf.square(x)))
        divisor = root / self.mean(tf.ones_like(x[:1]))
        small = tf.constant(self.value, x.dtype)
        return x / tf.where(divisor > self.threshold, divisor, small)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {
            "mean": keras.saving.serialize_keras_object(self.mean),
            "square": keras.saving.serialize_keras_object(self.square),
            "threshold": self.threshold,
            "value": self.value,
        }


def _layer(layer: Any) -> Any:
    """A layer, also where its config came from a file."""
    return keras.saving.deserialize_keras_object(layer) if isinstance(layer, dict) else layer


def _build(layer: Any, shape: Any) -> None:
    """Layers that come from a file are built already."""
    if not layer.built:
        layer.build(shape)


@tf.custom_gradient
def _root(x: Any) -> Any:
    """√x whose gradient is 0 at 0."""
    y = tf.sqrt(x)
    return y, lambda g: tf.math.divide_no_nan(0.5 * g, y)
