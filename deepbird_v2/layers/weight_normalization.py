"""A layer whose kernel is a direction times a length."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

__all__ = ["WeightNormalization"]


@keras.saving.register_keras_serializable("deepbird")
class WeightNormalization(keras.layers.Layer):
    """Runs a layer with the kernel g·v/‖v‖, where ‖v‖ is that of each slice along ``axis``.

    Args:
        layer: a layer or model.
        weight: position of the kernel among ``layer.weights``.
        axis: of the kernel; g has one entry for each slice along it.
        epsilon: added to ‖v‖² before the root.
        floor: least ‖v‖.

    Call arguments:
        x: what the layer takes.

    Reference: https://arxiv.org/abs/1602.07868
    """

    def __init__(
        self,
        layer: Any,
        weight: int = 0,
        axis: int = -1,
        epsilon: float = 0.0,
        floor: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.layer, self.weight, self.axis = layer, weight, axis
        self.epsilon, self.floor = epsilon, floor

    def build(self, input_shape: Any) -> None:
        """Make v, of the kernel's shape, and g, of shape [slices]."""
        if not self.layer.built:
            self.layer.build(input_shape)
        shape = tuple(self.kernel.shape)
        self.kernel.trainable = False  # v and g say what it is
        self.v = self.add_weight(shape, name="v")
        self.g = self.add_weight((shape[self.axis],), name="g", initializer="ones")

    @property
    def kernel(self) -> Any:
        """The layer's own variable, which never counts."""
        return self.layer.weights[self.weight]

    def call(self, x: Any) -> Any:
        """See the class."""
        with keras.StatelessScope(state_mapping=[(self.kernel, self._product())]):
            return self.layer(x)

    def _product(self) -> Any:
        v = ops.convert_to_tensor(self.v)
        rank = len(v.shape)
        axis = self.axis % rank
        others = [i for i in range(rank) if i != axis]
        norm = ops.sqrt(ops.sum(ops.square(v), others, keepdims=True) + self.epsilon)
        if self.floor:
            norm = ops.maximum(norm, self.floor)
        return v * (ops.reshape(self.g, [-1 if i == axis else 1 for i in range(rank)]) / norm)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The layer's."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "weight": self.weight,
            "axis": self.axis,
            "epsilon": self.epsilon,
            "floor": self.floor,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WeightNormalization:
        """The layer of a config."""
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})
