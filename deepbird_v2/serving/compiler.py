"""From a Keras model to a plan: one entry of a table a kind of layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from deepbird_v2.layers.affine import Offset, Scale
from deepbird_v2.layers.batch_normalization import BatchNormalization
from deepbird_v2.layers.full_sparse import FullSparse
from deepbird_v2.layers.isotonic import Isotonic
from deepbird_v2.layers.percentile_discretizer import PercentileDiscretizer
from deepbird_v2.layers.prelu import PReLU
from deepbird_v2.layers.sparse_partition import SparsePartition
from deepbird_v2.serving import kernels
from deepbird_v2.serving.errors import CannotRunError
from deepbird_v2.serving.plan import Plan, Step

__all__ = ["CannotCompileError", "compile_plan"]

Array = np.ndarray[Any, Any]
RAGGED_SPLITS = "row_splits"


class CannotCompileError(CannotRunError):
    """A model has a layer that no kernel computes; names it."""


def compile_plan(model: Any) -> Plan:
    """Compile a functional Keras model of float32 layers.

    Args:
        model: takes ragged ``key``, ``value`` (and ``field``), or dense tensors.

    Returns:
        The plan; ragged inputs share one further input, ``row_splits``.

    Raises:
        CannotCompileError: something in it has no kernel.
    """
    if not isinstance(model, keras.models.Model) or not hasattr(model, "_nodes_by_depth"):
        raise CannotCompileError("a model that is not functional")
    walk = _Walk()
    for tensor in keras.tree.flatten(model.input):
        walk.take_input(tensor)
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not isinstance(node.operation, keras.layers.InputLayer):
                walk.take(node)
    named = model.output
    if not isinstance(named, dict):
        named = {f"output_{n}": y for n, y in enumerate(keras.tree.flatten(named), 1)}
    outputs = {name: walk.slot(tensor) for name, tensor in named.items()}
    return Plan(walk.inputs, outputs, tuple(walk.steps), walk.count).fused()


class _Walk:
    """Numbers values as it meets them."""

    def __init__(self) -> None:
        self.inputs: dict[str, int] = {}
        self.steps: list[Step] = []
        self.count = 0
        self._slots: dict[int, int] = {}

    def take_input(self, tensor: Any) -> None:
        if getattr(tensor, "sparse", False):
            raise CannotCompileError("a sparse input", tensor.name)
        self._slots[id(tensor)] = self.inputs[tensor.name] = self.new()
        if getattr(tensor, "ragged", False) and RAGGED_SPLITS not in self.inputs:
            self.inputs[RAGGED_SPLITS] = self.new()

    def take(self, node: Any) -> None:
        operation = node.operation
        make = _LAYERS.get(type(operation))
        if make is None and not isinstance(operation, keras.layers.Layer):
            make = _OPERATIONS.get(_kind(operation))
        if make is None:
            raise CannotCompileError(f"a {_kind(operation)}", _name(operation))
        dtype = getattr(operation, "compute_dtype", "float32")
        if dtype != "float32":
            raise CannotCompileError(f"a {_kind(operation)} in {dtype}", _name(operation))
        if any(not isinstance(y, keras.KerasTensor) for y in node.output_tensors):
            raise CannotCompileError("an output that is no tensor", _name(operation))
        slots = [self.slot(x) for x in node.input_tensors]
        made = make(operation, node)
        if isinstance(operation, PercentileDiscretizer):
            slots.append(self.inputs[RAGGED_SPLITS])
        parts = made if isinstance(made, list) else [made]
        for kernel, tensor in zip(parts, node.output_tensors, strict=True):
            if kernel is None:  # nothing happens here in inference
                self._slots[id(tensor)] = slots[0]
                continue
            self._slots[id(tensor)] = self.new()
            step = Step(operation.name, kernel, tuple(slots), self.slot(tensor))
            self.steps.append(step)

    def slot(self, tensor: Any) -> int:
        return self._slots[id(tensor)]

    def new(self) -> int:
        self.count += 1
        return self.count - 1


def _name(operation: Any) -> str:
    return getattr(operation, "name", None) or _kind(operation)


def _kind(operation: Any) -> str:
    return type(operation).__name__


def _numbers(variable: Any) -> Array:
    return np.asarray(variable)


def _discretizer(layer: PercentileDiscretizer, _: Any) -> Any:
    return kernels.Discretizer(layer.state())


def _partition(layer: SparsePartition, _: Any) -> Any:
    return [kernels.Selection(group) for group in layer.groups]


def _full_sparse(layer: FullSparse, _: Any) -> Any:
    bias = _numbers(layer.bias) if layer.use_bias else None
    linear = kernels.GatherSum(_numbers(layer.kernel), bias, layer.use_binary_values)
    return _activated(linear, layer)


def _dense(layer: Any, node: Any) -> Any:
    _flat(layer, node)
    bias = _numbers(layer.bias) if layer.use_bias else None
    return _activated(kernels.Dense(_numbers(layer.kernel), bias), layer)


def _activated(linear: Callable[..., Array], layer: Any) -> Callable[..., Array]:
    function = _activation(layer, layer.activation)
    return linear if function is None else lambda *x: function(linear(*x))


def _activation(layer: Any, function: Any) -> Callable[[Array], Array] | None:
    name = getattr(function, "__name__", str(function))
    if name == "linear":
        return None
    if name not in _ACTIVATIONS:
        raise CannotCompileError(f"activation {name}", _name(layer))
    return _ACTIVATIONS[name]


def _prelu(layer: PReLU, node: Any) -> Any:
    rank = len(node.input_tensors[0].shape)
    if layer.units is not None and layer.axis not in (-1, rank - 1):
        raise CannotCompileError("slopes along an inner axis", layer.name)
    return kernels.Rectifier(_numbers(layer.alpha))


def _batch_normalization(layer: BatchNormalization, node: Any) -> Any:
    _flat(layer, node)
    mean, variance = _numbers(layer.moving_mean), _numbers(layer.moving_variance)
    scale = (1 / np.sqrt(variance.astype(np.float64) + layer.epsilon)).astype(np.float32)
    if not layer.affine:
        return kernels.Affine(mean, scale, np.zeros_like(scale))
    return kernels.Affine(mean, scale * _numbers(layer.gamma), _numbers(layer.beta))


def _isotonic(layer: Isotonic, _: Any) -> Any:
    return kernels.Interpolation(_numbers(layer.xs), _numbers(layer.ys))


def _scale(layer: Scale, _: Any) -> Any:
    kernel = _numbers(layer.kernel)
    return lambda x: x * kernel


def _offset(layer: Offset, _: Any) -> Any:
    kernel = _numbers(layer.kernel)
    return lambda x: x + kernel


def _concatenate(operation: Any, _: Any) -> Any:
    return lambda *xs: np.concatenate(xs, axis=operation.axis)


def _flat(layer: Any, node: Any) -> None:
    if len(node.input_tensors[0].shape) != 2:
        raise CannotCompileError(
            f"a {type(layer).__name__} of more than two dimensions", layer.name
        )


def _of_tensors(function: Callable[..., Array], arity: int) -> Callable[[Any, Any], Any]:
    """An operation on tensors alone: a constant among its arguments is another operation."""

    def make(operation: Any, node: Any) -> Any:
        if len(node.input_tensors) != arity:
            raise CannotCompileError(
                f"{type(operation).__name__} with a constant", _name(operation)
            )
        return function

    return make


def _softmax(operation: Any, node: Any) -> Any:
    return _along_last(operation, node, _soft_maximum)


def _log_softmax(operation: Any, node: Any) -> Any:
    return _along_last(operation, node, lambda x: x - _log_sum_exp(x))


def _along_last(operation: Any, node: Any, function: Callable[[Array], Array]) -> Any:
    if operation.axis not in (-1, len(node.input_tensors[0].shape) - 1):
        raise CannotCompileError(
            f"{_kind(operation)} along another axis than the last", _name(operation)
        )
    return function


def _sigmoid(x: Array) -> Array:
    return np.reciprocal(1 + np.exp(-x))


def _soft_maximum(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _log_sum_exp(x: Array) -> Array:
    top = x.max(axis=-1, keepdims=True)
    return top + np.log(np.exp(x - top).sum(axis=-1, keepdims=True))


def _relu(x: Array) -> Array:
    return np.maximum(x, np.float32(0))


def _identity(*_: Any) -> None:
    return None


_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": _relu,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
}
_LAYERS: dict[type, Callable[[Any, Any], Any]] = {
    BatchNormalization: _batch_normalization,
    FullSparse: _full_sparse,
    Isotonic: _isotonic,
    Offset: _offset,
    PReLU: _prelu,
    PercentileDiscretizer: _discretizer,
    Scale: _scale,
    SparsePartition: _partition,
    keras.layers.Concatenate: _concatenate,
    keras.layers.Dense: _dense,
    keras.layers.Dropout: _identity,
}
# By name: the operations behind `keras.ops` have no public classes.
_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": _of_tensors(np.add, 2),
    "Concatenate": _concatenate,
    "LogSoftmax": _log_softmax,
    "Multiply": _of_tensors(np.multiply, 2),
    "Relu": _of_tensors(_relu, 1),
    "Sigmoid": _of_tensors(_sigmoid, 1),
    "Softmax": _softmax,
    "Subtract": _of_tensors(np.subtract, 2),
    "Tanh": _of_tensors(np.tanh, 1),
}
