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
        if training and not self.frozen:
            mean, invstd, moves = self._of_batch(x)
        else:
            mean = tf.cast(self.moving_mean, x.dtype)
            variance = tf.cast(self.moving_variance, tf.float64)
            invstd, moves = tf.math.rsqrt(variance + self.epsilon), tf.zeros((), tf.float64)
        factor = [self.gamma, self.beta] if self.affine else []
        return self._normalize(x, mean, invstd, moves, [tf.convert_to_tensor(v) for v in factor])

    def _of_batch(self, x: Any) -> tuple[Any, Any, Any]:
        """Mean, 1/√(variance + ε), and whether they depend on x; the moving statistics move.

        Sums are taken in double: those of a long batch in single are off by more than a result.
        """
        count = tf.cast(tf.size(x) // x.shape[self.axis], tf.float64)
        mean = self._sum(x) / count
        squares = self._sum(tf.square(x - self._along(x, tf.cast(mean, x.dtype))))
        several = tf.shape(x)[0] > 1
        old_mean = tf.cast(self.moving_mean, tf.float64)
        old_variance = tf.cast(self.moving_variance, tf.float64)
        share = tf.where(several, tf.constant(self.momentum, tf.float64), 0)
        unbiased = squares / tf.maximum(count - 1, 1)
        self._store(self.moving_mean, old_mean + share * (mean - old_mean))
        self._store(self.moving_variance, old_variance + share * (unbiased - old_variance))
        variance = tf.where(several, squares / count, old_variance)
        mean = tf.where(several, mean, old_mean)
        return (
            tf.cast(mean, x.dtype),
            tf.math.rsqrt(variance + self.epsilon),
            tf.cast(several, tf.float64),
        )

    @staticmethod
    def _store(variable: Any, value: Any) -> None:
        variable.assign(tf.cast(value, variable.dtype))

    def _normalize(self, x: Any, mean: Any, invstd: Any, moves: Any, factor: list[Any]) -> Any:
        """(x - mean)·invstd·gamma + beta; ``moves`` is 1 where the statistics are those of x."""

        @tf.custom_gradient
        def normalize(x: Any, *factor: Any) -> Any:
            slope = tf.cast(invstd, x.dtype) * factor[0] if factor else tf.cast(invstd, x.dtype)
            centered = x - self._along(x, mean)
            y = centered * self._along(x, slope)

            def gradient(upstream: Any) -> Any:
                total, dot = self._sum(upstream), self._sum(centered * upstream)
                share = moves / tf.cast(tf.size(x) // x.shape[self.axis], tf.float64)
                level = tf.cast(total * share, x.dtype)
                tilt = tf.cast(dot * tf.square(invstd) * share, x.dtype)
                centers = self._along(x, level) + centered * self._along(x, tilt)
                of_x = (upstream - centers) * self._along(x, slope)
                of_factor = (dot * invstd, total) if factor else ()
                return of_x, *(tf.cast(grad, x.dtype) for grad in of_factor)

            return (y + self._along(x, factor[1]) if factor else y), gradient

        return normalize(x, *factor)

    def _sum(self, values: Any) -> Any:
        """Over all axes but the features', in float64."""
        rank = len(values.shape)
        others = [axis for axis in range(rank) if axis != self.axis % rank]
        return tf.reduce_sum(tf.cast(values, tf.float64), others)

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
