"""v1's ``modules.FullDenseLayer`` as one layer."""

from __future__ import annotations

from typing import Any

import keras

from deepbird_v2.layers.batch_normalization import BatchNormalization

__all__ = ["FullDense"]


@keras.saving.register_keras_serializable("deepbird")
class FullDense(keras.layers.Layer):
    """Dense, batch normalization, activation and dropout, in v1's order.

    Args:
        units: number of outputs.
        activation: name of a Keras activation, a layer (``PReLU()``), or None.
        dropout: probability of dropping an output while training.
        use_bias: add a bias.
        batch_norm: normalize before the activation, as Torch does.

    Call arguments:
        x: [..., features].
        training: whether to drop and to use the batch's statistics.

    Returns:
        [..., units].
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        batch_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(activation, dict):  # as get_config gives it
            activation = keras.saving.deserialize_keras_object(activation)
        if not isinstance(activation, keras.layers.Layer):
            activation = keras.layers.Activation(activation)
        self.dense = keras.layers.Dense(units, use_bias=use_bias, dtype=self.dtype_policy)
        self.norm = BatchNormalization(dtype=self.dtype_policy) if batch_norm else None
        self.activation = activation
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        self.dense.build(input_shape)
        shape = self.dense.compute_output_shape(input_shape)
        for layer in (self.norm, self.activation):
            if layer is not None and not layer.built:
                layer.build(shape)
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        y = self.dense(x)
        if self.norm is not None:
            y = self.norm(y, training=training)
        return self.drop(self.activation(y), training=training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.dense.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "units": self.dense.units,
            "activation": keras.saving.serialize_keras_object(self.activation),
            "dropout": self.drop.rate,
            "use_bias": self.dense.use_bias,
            "batch_norm": self.norm is not None,
        }
