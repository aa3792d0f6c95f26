"""Normalization of images by neighbouring channels."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["CrossChannelNormalization"]


@keras.saving.register_keras_serializable("deepbird")
class CrossChannelNormalization(keras.layers.Layer):
    """y = x · (k + alpha/size · Σ x²)^-beta, the sum over ``size`` neighbouring channels.

    Args:
        size: number of channels, the middle one being x's own.
        alpha: weight of the mean.
        beta: power.
        k: what is added to the mean.
    """

    def __init__(self, size: int, alpha: float, beta: float, k: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def call(self, x: Any) -> Any:
        """See the class."""
        half, channels = (self.size - 1) // 2, x.shape[-1]
        lead = [(0, 0)] * (len(x.shape) - 1)
        square = tf.pad(tf.square(x), [*lead, (half, half)])
        total = tf.add_n([square[..., i : i + channels] for i in range(2 * half + 1)])
        return x * (self.k + self.alpha / self.size * total) ** -self.beta

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {
            "size": self.size,
            "alpha": self.alpha,
            "beta": self.beta,
            "k": self.k,
        }
