"""Rows divided by their p-norm."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

__all__ = ["Normalize"]


@keras.saving.register_keras_serializable("deepbird")
class Normalize(keras.layers.Layer):
    """y = x / (Σ|x|^p + ε)^(1/p) along the last axis; x / (max|x| + ε) for p = ∞.

    For p = ∞ the gradient of the norm goes to the first of several greatest elements. For p < 2
    the gradient takes |x| + ε in place of |x|, so that it stays finite at 0.

    Args:
        p: of the norm, above 0; ``math.inf`` for the greatest absolute value.
        epsilon: added to the sum (to the norm for p = ∞).

    Call arguments:
        x: [..., features].
    """

    def __init__(self, p: float = 2.0, epsilon: float = 1e-10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not p > 0:
            raise ValueError(f"p should be above 0, got {p}")
        self.p, self.epsilon = p, epsilon
        self.built = True

    def call(self, x: Any) -> Any:
        """See the class."""

        @tf.custom_gradient
        def normalize(rows: Any) -> Any:
            normp, norm, slope = self._norm(rows)

            def gradient(upstream: Any) -> Any:
                along = tf.reduce_sum(rows * upstream, -1, keepdims=True)
                return (normp * upstream - slope() * along) / (normp * norm)

            return rows / norm, gradient

        return normalize(x)

    def _norm(self, rows: Any) -> tuple[Any, Any, Any]:
        """Σ|x|^p + ε, the norm, and a function that gives x·|x|^(p-2)."""
        size = tf.abs(rows)
        if math.isinf(self.p):
            norm = tf.reduce_max(size, -1, keepdims=True) + self.epsilon

            def at_greatest() -> Any:
                first = tf.one_hot(tf.argmax(size, -1), tf.shape(rows)[-1], dtype=rows.dtype)
                return first * rows / norm

            return norm, norm, at_greatest

        def power() -> Any:
            if self.p == 2:
                return rows
            return tf.pow(size + self.epsilon if self.p < 2 else size, self.p - 2) * rows

        powers = tf.square(rows) if self.p == 2 else tf.pow(size, self.p)
        normp = tf.reduce_sum(powers, -1, keepdims=True) + self.epsilon
        return normp, tf.sqrt(normp) if self.p == 2 else tf.pow(normp, 1 / self.p), power

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "p": self.p, "epsilon": self.epsilon}
