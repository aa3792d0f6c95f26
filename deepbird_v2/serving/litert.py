"""A model as LiteRT (once TensorFlow Lite) runs it: little overhead, many kinds of layers."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepbird_v2.serving.backends import output_names
from deepbird_v2.serving.errors import CannotRunError
from deepbird_v2.serving.quiet import quiet

__all__ = ["CannotConvertError", "LiteRTBackend"]

Array = np.ndarray[Any, Any]
# Errors of TensorFlow that LiteRT does not make: it would answer something, or write elsewhere.
UNCHECKED = {"Assert", "GatherNd", "ScatterNd"}


class CannotConvertError(CannotRunError):
    """LiteRT cannot run a model; says what stands in the way."""


class LiteRTBackend:
    """The model as a flatbuffer of LiteRT's built-in float32 operations, run in one thread.

    Nothing is quantized, and no operation falls back to TensorFlow. Calls from several threads
    take turns.

    Args:
        model: functional Keras model of dense inputs, float32 throughout.

    Raises:
        CannotConvertError: something in the model has no built-in operation.
    """

    name = "litert"

    def __init__(self, model: Any) -> None:
        self._shapes = {i.name: tuple(i.shape) for i in keras.tree.flatten(model.input)}
        function, names = _function(model)
        with quiet():
            self._interpreter = _interpreter(_flatbuffer(function))
        self._inputs = _numbers(self._interpreter.get_input_details())
        found = _numbers(self._interpreter.get_output_details())
        tensors = [y.name.partition(":")[0] for y in function.outputs]
        if set(found) != set(tensors) or not set(self._inputs) <= set(self._shapes):
            raise CannotConvertError("an output that is an input, or two that are one")
        self._outputs = {n: found[tensor] for n, tensor in zip(names, tensors, strict=True)}
        self._sizes: dict[str, tuple[int, ...]] = {}
        self._lock = threading.Lock()

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Backend`.

        Raises:
            ValueError: an array is not of the shape that the model takes, or the model cannot
                compute with it (an index lies outside its table).
        """
        for name, shape in self._shapes.items():
            _check_shape(name, inputs[name].shape, shape)
        with self._lock:
            try:
                return self._run(inputs)
            except RuntimeError as error:
                raise ValueError(f"LiteRT cannot compute with these inputs: {error}") from None

    def _run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        sizes = {name: inputs[name].shape for name in self._inputs}
        if sizes != self._sizes:
            self._sizes = {}  # unknown, should the next lines fail
            for name, index in self._inputs.items():
                self._interpreter.resize_tensor_input(index, sizes[name])
            self._interpreter.allocate_tensors()
            self._sizes = sizes
        for name, index in self._inputs.items():
            self._interpreter.set_tensor(index, inputs[name])
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(n) for name, n in self._outputs.items()}


def _check_shape(name: str, got: tuple[int, ...], wanted: tuple[int | None, ...]) -> None:
    fits = len(got) == len(wanted) and all(w in (None, g) for g, w in zip(got, wanted, strict=True))
    if not fits:
        raise ValueError(f"{name} has shape {list(got)}; the model takes {list(wanted)}")


def _numbers(details: list[dict[str, Any]]) -> dict[str, int]:
    """Name of a tensor → its number in the interpreter."""
    return {entry["name"]: entry["index"] for entry in details}


def _function(model: Any) -> tuple[Any, list[str]]:
    """The model as a concrete function of its inputs by name to a list; what is in the list."""
    inputs = keras.tree.flatten(model.input)
    for i in inputs:
        if getattr(i, "ragged", False):
            raise CannotConvertError("a ragged input, whose keys it cannot look up", i.name)
        if getattr(i, "sparse", False):
            raise CannotConvertError("a sparse input", i.name)
    for value in (*inputs, *model.variables):
        if value.dtype == "float64":
            raise CannotConvertError("float64", getattr(value, "path", value.name))
    spec = {i.name: tf.TensorSpec(i.shape, i.dtype, i.name) for i in inputs}
    names = output_names(model)

    def call(fed: dict[str, Any]) -> list[Any]:
        packed = keras.tree.pack_sequence_as(model.input, [fed[i.name] for i in inputs])
        outputs = model(packed, training=False)
        if isinstance(outputs, dict):
            return [outputs[name] for name in names]
        return list(keras.tree.flatten(outputs))

    function = tf.function(call, input_signature=[spec]).get_concrete_function()
    unchecked = _operations(function) & UNCHECKED
    if unchecked:
        raise CannotConvertError(f"the check of tf.{min(unchecked)}, which it would leave out")
    return function, names


def _operations(function: Any) -> set[str]:
    """Kinds of operations of a function and of those that it calls."""
    graph = function.graph.as_graph_def()
    bodies = [graph.node, *(f.node_def for f in graph.library.function)]
    return {node.op for body in bodies for node in body}


def _flatbuffer(function: Any) -> bytes:
    # With the function itself as the trackable object the converter takes the graph as it is,
    # keeps the tensors' names, and is four times as fast as by way of a SavedModel.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], function)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        return bytes(converter.convert())
    except Exception as error:  # noqa: BLE001 - what it raises is not public
        missing = sorted({e.operator.name for e in getattr(error, "errors", ())} - {""})
        if missing:
            raise CannotConvertError(", ".join(missing)) from None
        raise CannotConvertError(_first_line(error)) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _interpreter(content: bytes) -> Any:
    with warnings.catch_warnings():
        # TensorFlow announces that the interpreter moves to a package of its own.
        warnings.filterwarnings("ignore", r"\s*Warning: tf\.lite\.Interpreter", UserWarning)
        try:
            made = tf.lite.Interpreter(model_content=content, num_threads=1)
            made.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise CannotConvertError(_first_line(error)) from None
    return made
