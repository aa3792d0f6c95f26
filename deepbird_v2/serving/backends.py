"""What runs a model: TensorFlow, or a plan of kernels; LiteRT has a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from deepbird_v2.export import RAGGED
from deepbird_v2.serving.plan import Plan

__all__ = ["Backend", "CompiledBackend", "TensorFlowBackend", "inputs_of", "output_names"]

Array = np.ndarray[Any, Any]


class Backend(Protocol):
    """Arrays in, arrays out.

    Attributes:
        name: for people.
    """

    name: str

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, of an array an input; ragged inputs share ``row_splits``."""


class TensorFlowBackend:
    """The model itself, as one TensorFlow function.

    Args:
        model: functional Keras model of ragged or dense inputs.
    """

    name = "tensorflow"

    def __init__(self, model: Any) -> None:
        inputs = keras.tree.flatten(model.input)
        self._ragged = [i.name for i in inputs if getattr(i, "ragged", False)]
        self._dense = {i.name: i.dtype for i in inputs if i.name not in self._ragged}
        spec: dict[str, Any] = {i.name: tf.TensorSpec(i.shape, i.dtype) for i in inputs}
        for name in self._ragged:
            spec[name] = tf.RaggedTensorSpec([None, None], RAGGED[name], row_splits_dtype=tf.int64)

        def call(fed: dict[str, Any]) -> Any:
            packed = keras.tree.pack_sequence_as(model.input, [fed[i.name] for i in inputs])
            return model(packed, training=False)

        self._function = tf.function(call, input_signature=[spec])

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Backend`."""
        fed = {name: tf.constant(inputs[name], dtype) for name, dtype in self._dense.items()}
        for name in self._ragged:
            flat = tf.constant(inputs[name], RAGGED[name])
            fed[name] = tf.RaggedTensor.from_row_splits(flat, inputs["row_splits"], validate=False)
        outputs = self._function(fed)
        if not isinstance(outputs, dict):
            outputs = {f"output_{n}": y for n, y in enumerate(keras.tree.flatten(outputs), 1)}
        return {name: y.numpy() for name, y in outputs.items()}


class CompiledBackend:
    """A plan of NumPy and compiled kernels.

    Args:
        plan: made of the model.
    """

    name = "compiled"

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Backend`."""
        return self.plan.run(inputs)


def inputs_of(model: Any) -> dict[str, Any]:
    """Name → Keras tensor of every input."""
    return {i.name: i for i in keras.tree.flatten(model.input)}


def output_names(model: Any) -> list[str]:
    """Names of the outputs, in the order of a backend's answer."""
    if isinstance(model.output, dict):
        return list(model.output)
    return [f"output_{n}" for n in range(1, len(keras.tree.flatten(model.output)) + 1)]
