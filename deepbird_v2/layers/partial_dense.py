"""A dense layer of which only some units are computed."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["PartialDense"]


@keras.saving.register_keras_serializable("deepbird")
class PartialDense(keras.layers.Layer):
    """x W + b for the chosen columns of W and b.

    Args:
        units: number of columns.
        columns: which are computed, in this order, from 0; None for all.
        use_bias: whether there is a bias.

    Call arguments:
        x: [batch, features]; gives [batch, len(columns)].
    """

    def __init__(
        self,
        units: int,
        columns: list[int] | None = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.columns, self.use_bias = units, columns, use_bias

    def build(self, input_shape: Any) -> None:
        """Make all columns, [features, units], and the bias."""
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.units,), name="bias", initializer="zeros")

    def call(self, x: Any) -> Any:
        """See the class."""
        y = tf.matmul(x, self._chosen(tf.convert_to_tensor(self.kernel)))
        return y + self._chosen(tf.convert_to_tensor(self.bias)) if self.use_bias else y

    def _chosen(self, value: Any) -> Any:
        return value if self.columns is None else tf.gather(value, self.columns, axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[batch, number of chosen columns]."""
        return (*input_shape[:-1], self.units if self.columns is None else len(self.columns))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "columns": self.columns,
            "use_bias": self.use_bias,
        }
