"""Distances and cosines, with gradients that stay finite where the distance is 0."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["Cosine", "Euclidean", "PairwiseDistance"]


def norm(x: Any, axis: int, eps: float, shift: bool = False) -> Any:
    """The Euclidean norm along an axis; its gradient is that of the norm, over norm + ``eps``.

    Args:
        x: any shape.
        axis: along which; it stays, with size 1.
        eps: what is added before backward divides.
        shift: forward adds it, too.
    """

    @tf.custom_gradient
    def run(value: Any) -> Any:
        length = tf.sqrt(tf.reduce_sum(value * value, axis, keepdims=True))
        divisor = length + eps
        return (divisor if shift else length), lambda upstream: value / divisor * upstream

    return run(x)


@keras.saving.register_keras_serializable("deepbird")
class PairwiseDistance(keras.layers.Layer):
    """The p-norm of the difference of two batches of rows.

    Backward adds 1e-6 to the distance; its sign is 0 where a difference is 0.

    Args:
        p: which norm.

    Call arguments:
        inputs: two tensors [batch, n]; gives [batch].
    """

    def __init__(self, p: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.p = p
        self.built = True

    def call(self, inputs: Any) -> Any:
        """See the class."""

        @tf.custom_gradient
        def distance(difference: Any) -> Any:
            powers = tf.abs(difference) ** self.p
            found = tf.reduce_sum(powers, -1, keepdims=True) ** (1 / self.p)

            def gradient(upstream: Any) -> Any:
                if self.p == 1:
                    return tf.sign(difference) * upstream[:, tf.newaxis]
                slope = difference
                if self.p > 2:
                    slope = difference * tf.abs(difference) ** (self.p - 2)
                return slope * (found + 1e-6) ** -(self.p - 1) * upstream[:, tf.newaxis]

            return found[:, 0], gradient

        return distance(inputs[0] - inputs[1])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[batch]."""
        return (input_shape[0][0],)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "p": self.p}


class _Learned(keras.layers.Layer):
    """Compares the input with learned vectors, the columns of ``kernel``.

    Args:
        units: number of vectors.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: Any) -> None:
        """Make the vectors, [features, units]."""
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[batch, units]."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("deepbird")
class Euclidean(_Learned):
    """The distance of each row to each learned vector.

    Args:
        units: number of vectors.
        weighted: each vector also has a learned factor for the difference in each feature.

    Call arguments:
        x: [batch, features]; gives [batch, units].
    """

    def __init__(self, units: int, weighted: bool = False, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.weighted = weighted

    def build(self, input_shape: Any) -> None:
        """Make the vectors and the factors, [features, units]."""
        super().build(input_shape)
        if self.weighted:
            self.scale = self.add_weight(shape=self.kernel.shape, name="scale", initializer="ones")

    def call(self, x: Any) -> Any:
        """See the class."""
        difference = x[:, :, tf.newaxis] - self.kernel
        if self.weighted:
            difference = difference * self.scale
        return norm(difference, 1, 1e-7)[:, 0]

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "weighted": self.weighted}


@keras.saving.register_keras_serializable("deepbird")
class Cosine(_Learned):
    """The cosine of the angle between each row and each learned vector.

    Args:
        units: number of vectors.

    Call arguments:
        x: [batch, features]; gives [batch, units].
    """

    def call(self, x: Any) -> Any:
        """See the class."""
        kernel = tf.convert_to_tensor(self.kernel)
        lengths = norm(x, 1, 1e-12, shift=True) * norm(kernel, 0, 1e-12, shift=True)
        return tf.matmul(x, kernel) / lengths
