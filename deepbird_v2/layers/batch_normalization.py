"""Batch normalization that keeps the unbiased variance."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["BatchNormalization"]


@keras.saving.register_keras_serializable("deepbird")
class BatchNormalization(keras.layers.Layer):
    """Each feature to mean 0 and variance 1: of the batch in training, of the past otherwise.

    Unlike Keras' own, the moving variance takes in the unbiased variance of a batch, ``momentum``
    is the share of the new batch, and a batch of one row is normalized by, and leaves alone, the
    moving statistics.

    Args:
        axis: of the features.
        momentum: share of the new batch in the moving statistics.
        epsilon: added to the variance.
        affine: learn a factor and an offset for each feature.
        frozen: training, too, uses the moving statistics, and leaves them alone.

    Call arguments:
        x: [batch, ..., features, ...].
        training: whether to use and take in the batch's statistics.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.1,
        epsilon: float = 1e-5,
        affine: bool = True,
        frozen: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.affine, self.frozen = affine, frozen
        self.gamma: Any = None
        self.beta: Any = None

    def build(self, input_shape: Any) -> None:
        """Make the variables, each of shape [features]."""
        size = (input_shape[self.axis],)
        if self.affine:
            self.gamma = self.add_weight(size, name="gamma", initializer="ones")
            self.beta = self.add_weight(size, name="beta", initializer="zeros")
        self.moving_mean = self.add_weight(
            size, name="moving_mean", initializer="zeros", trainable=False
        )
        self.moving_variance = self.add_weight(
            size, name="moving_variance", initializer="ones", trainable=False
        )

    def call(self, x: Any, training: bool = False) -> Any:
        """See the class."""
        mean, variance = (
            tf.convert_to_tensor(self.moving_mean),
            tf.convert_to_tensor(self.moving_variance),
        )
        if training and not self.frozen:
            mean, variance = self._of_batch(x, mean, variance)
        scale = tf.math.rsqrt(variance + self.epsilon)
        if self.affine:
            y = (x - self._along(x, mean)) * self._along(x, scale * self.gamma)
            return y + self._along(x, tf.convert_to_tensor(self.beta))
        return (x - self._along(x, mean)) * self._along(x, scale)

    def _of_batch(self, x: Any, old_mean: Any, old_variance: Any) -> tuple[Any, Any]:
        """Statistics to normalize with; the moving ones move."""
        others = [axis for axis in range(len(x.shape)) if axis != self.axis % len(x.shape)]
        mean = tf.reduce_mean(x, others)
        variance = tf.reduce_mean(tf.square(x - self._along(x, mean)), others)
        count = tf.cast(tf.size(x) // tf.size(mean), x.dtype)
        unbiased = variance * (count / tf.maximum(count - 1, 1))
        several = tf.shape(x)[0] > 1
        share = tf.where(several, tf.constant(self.momentum, x.dtype), 0)
        self.moving_mean.assign(tf.stop_gradient(old_mean + share * (mean - old_mean)))
        self.moving_variance.assign(
            tf.stop_gradient(old_variance + share * (unbiased - old_variance))
        )
        return tf.where(several, mean, old_mean), tf.where(several, variance, old_variance)

    def _along(self, x: Any, values: Any) -> Any:
        """``values`` of each feature, to broadcast with ``x``."""
        rank = len(x.shape)
        axis = self.axis % rank
        return values if axis == rank - 1 else tf.reshape(values, [-1, *[1] * (rank - 1 - axis)])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "affine": self.affine,
            "frozen": self.frozen,
        }
