"""A Keras functional model as statements: one an operation, in the order of computation."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from migrate.codegen.literals import literal
from migrate.codegen.names import Names
from migrate.codegen.statements import CodegenError, Hole, Part, Statement, Var

__all__ = ["Trace", "trace"]

# Parameters that read better without their name.
POSITIONAL = ("axes", "newshape", "shape", "dtype")
# What Keras adds to calls and configs by itself.
IMPLIED_CALL = {"training": (None, False), "mask": (None,)}
IMPLIED_CONFIG = ("name", "trainable")
# Layers that a script looks up again.
NAMED = {"Isotonic": "calibration"}


@dataclass
class Trace:
    """What a model does, as statements.

    Attributes:
        inputs: statements of the inputs, in the model's order.
        body: the operations.
        outputs: what the model gives: a variable, or lists or a dict of them.
        taken: what it takes, likewise.
        imports: module → names that the statements use.
    """

    inputs: list[Statement] = field(default_factory=list)
    body: list[Statement] = field(default_factory=list)
    outputs: list[Part] = field(default_factory=list)
    taken: list[Part] = field(default_factory=list)
    imports: dict[str, set[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One call of one operation."""

    operation: Any
    node: Any


def trace(model: Any, given: Mapping[str, Mapping[str, str]], split_names: Sequence[str]) -> Trace:
    """The statements that build ``model`` again.

    Args:
        model: a functional model.
        given: layer class → parameter → source text to use for it.
        split_names: variables for the outputs of a partition.

    Raises:
        CodegenError: operations cannot be written; all are listed.
    """
    return _Tracer(model, given, split_names).run()


class _Tracer:
    def __init__(
        self, model: Any, given: Mapping[str, Mapping[str, str]], split_names: Sequence[str]
    ) -> None:
        self.model, self.given, self.split_names = model, given, split_names
        self.out = Trace()
        self.steps = list(_in_order(model))
        self.calls = Counter(id(step.operation) for step in self.steps)
        self.made: dict[int, str] = {}
        self.problems: list[str] = []
        self.names = Names([step.node for step in self.steps], model)

    def run(self) -> Trace:
        inputs = keras.tree.flatten(self.model.inputs)
        for tensor in inputs:
            target = self.names.input(tensor, alone=len(inputs) == 1)
            self.out.inputs.append(Statement((target,), _input(tensor)))
        for position, step in enumerate(self.steps):
            try:
                parts = self._call(step)
            except CodegenError as error:
                self.problems.append(f"  {step.operation.name} [{_class(step)}]: {error}")
                parts = []
            names = self.split_names if _class(step) == "SparsePartition" else ()
            targets = self.names.outputs(position, step.node.output_tensors, names)
            self.out.body.append(Statement(targets, tuple(parts)))
        if self.problems:
            raise CodegenError(
                "these parts have no readable form; build them by hand:\n"
                + "\n".join(self.problems)
            )
        self.out.outputs = self._value(self.model.output, "output")
        self.out.taken = self._value(self.model.input, "input")
        return self.out

    def _call(self, step: Step) -> list[Part]:
        is_layer = isinstance(step.operation, keras.Layer)
        return self._layer(step) if is_layer else self._function(step)

    # --- layers ---------------------------------------------------------------------------

    def _layer(self, step: Step) -> list[Part]:
        layer = step.operation
        shared = self.calls[id(layer)] > 1
        if shared and id(layer) not in self.made:
            name = self.names.layer(type(layer).__name__)
            self.out.body.append(Statement((name,), tuple(self._constructor(layer))))
            self.made[id(layer)] = name
        head: list[Part] = [self.made[id(layer)]] if shared else self._constructor(layer)
        return [*head, "(", *self._call_arguments(step), ")"]

    def _constructor(self, layer: Any) -> list[Part]:
        cls = type(layer)
        if getattr(keras.layers, cls.__name__, None) is cls:
            name = f"layers.{cls.__name__}"
            self._import("keras", "layers")
        else:
            name = cls.__name__
            self._import(cls.__module__, name)
        params = _parameters(cls)
        required = [key for key, default in params.items() if default is inspect.Parameter.empty]
        given = self.given.get(name, {})
        arguments: list[list[Part]] = []
        for key, value in _config(layer, params).items():
            implied = value == "float32" if key == "dtype" else _same(value, params.get(key))
            if key in IMPLIED_CONFIG or (implied and key not in required):
                continue
            prefix: list[Part] = [] if required == [key] else [f"{key}="]
            arguments.append(
                [*prefix, *([given[key]] if key in given else self._option(key, value))]
            )
        if name in NAMED:
            arguments.append([f'name="{NAMED[name]}"'])
        return [f"{name}(", *_joined(arguments), ")"]

    def _option(self, key: str, value: Any) -> list[Part]:
        if isinstance(value, keras.Layer):
            return self._constructor(value)
        return [Hole(key, literal(value))]

    # --- functions ------------------------------------------------------------------------

    def _function(self, step: Step) -> list[Part]:
        cls, arguments = type(step.operation), self._call_arguments(step)
        if cls.__name__ == "GetItem":
            tensor, key = step.node.arguments.args
            return [*self._value(tensor, ""), "[", Hole("key", _index(key)), "]"]
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        function = getattr(keras.ops, name, None)
        config = getattr(getattr(step.operation, "_auto_config", None), "config", None)
        if function is None or config is None:
            raise CodegenError("there is no such function in keras.ops")
        self._import("keras", "ops")
        params = inspect.signature(function).parameters
        for key, value in config.items():
            if key in IMPLIED_CONFIG:
                continue
            if key not in params:
                raise CodegenError(f"keras.ops.{name} does not take {key!r}")
            if not _same(value, params[key].default):
                prefix: list[Part] = [] if key in POSITIONAL else [f"{key}="]
                arguments += [", ", *prefix, Hole(key, literal(value))]
        return [f"ops.{name}(", *arguments, ")"]

    # --- arguments ------------------------------------------------------------------------

    def _call_arguments(self, step: Step) -> list[Part]:
        arguments = step.node.arguments
        parts = [self._value(value, "value") for value in arguments.args]
        for key, value in arguments.kwargs.items():
            if not any(value is implied for implied in IMPLIED_CALL.get(key, ())):
                parts.append([f"{key}=", *self._value(value, key)])
        return _joined(parts)

    def _value(self, value: Any, name: str) -> list[Part]:
        if isinstance(value, keras.KerasTensor):
            return [Var(self.names.of(value))]
        if isinstance(value, list | tuple) and any(map(_has_tensor, value)):
            brackets = "[]" if isinstance(value, list) or len(value) != 1 else "()"
            return [brackets[0], *_joined([self._value(v, name) for v in value]), brackets[1]]
        if isinstance(value, dict) and any(map(_has_tensor, value.values())):
            rows = [[f"{literal(k)}: ", *self._value(v, name)] for k, v in value.items()]
            return ["{", *_joined(rows), "}"]
        code = literal(value.numpy() if hasattr(value, "numpy") else value)
        if "np." in code:
            self._import("numpy", "np")
        return [Hole(name, code)]

    def _import(self, module: str, name: str) -> None:
        self.out.imports.setdefault(module, set()).add(name)


def _in_order(model: Any) -> Iterator[Step]:
    """Every call below the outputs, each after what it takes; branches one after the other."""
    seen: set[int] = set()
    stack = [(t, False) for t in reversed(keras.tree.flatten(model.outputs))]
    inputs = {id(t) for t in keras.tree.flatten(model.inputs)}
    while stack:
        tensor, ready = stack.pop()
        operation, index, _ = tensor._keras_history
        node = operation._inbound_nodes[index]
        if id(node) in seen or id(tensor) in inputs:
            continue
        if ready:
            seen.add(id(node))
            yield Step(operation, node)
        else:
            stack.append((tensor, True))
            stack += [(t, False) for t in reversed(node.input_tensors)]


def _parameters(cls: type) -> dict[str, Any]:
    """Parameters of a constructor and their defaults."""
    params = list(inspect.signature(cls).parameters.values())
    return {p.name: p.default for p in params if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}


def _config(layer: Any, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Constructor arguments of a layer; where Keras did not record them, its attributes."""
    recorded = getattr(getattr(layer, "_auto_config", None), "config", None)
    if recorded is not None:
        return dict(recorded)
    missing = [key for key in params if not hasattr(layer, key)]
    if missing or isinstance(layer, keras.Model):
        raise CodegenError("was not made from plain arguments")
    return {key: getattr(layer, key) for key in params} | {"dtype": str(layer.dtype)}


def _input(tensor: Any) -> tuple[Part, ...]:
    batch, *shape = tensor.shape
    arguments: list[list[Part]] = [[Hole("shape", literal(tuple(shape)))]]
    options = {
        "batch_size": (batch, None),
        "dtype": (str(tensor.dtype), "float32"),
        "sparse": (getattr(tensor, "sparse", False), False),
        "ragged": (getattr(tensor, "ragged", False), False),
    }
    for key, (value, default) in options.items():
        if value not in (default, None):
            arguments.append([f"{key}={literal(value)}"])
    arguments.append([f"name={literal(tensor.name)}"])
    return ("keras.Input(", *_joined(arguments), ")")


def _joined(arguments: list[list[Part]]) -> list[Part]:
    return [part for i, argument in enumerate(arguments) for part in ([", "] * (i > 0) + argument)]


def _index(key: Any) -> str:
    def one(k: Any) -> str:
        if not isinstance(k, slice):
            return literal(k)
        ends = [("" if v is None else literal(v)) for v in (k.start, k.stop)]
        return ":".join(ends if k.step is None else [*ends, literal(k.step)])

    if not isinstance(key, tuple):
        return one(key)
    return ", ".join(map(one, key)) + ("," if len(key) == 1 else "")


def _class(step: Step) -> str:
    return type(step.operation).__name__


def _has_tensor(value: Any) -> bool:
    return any(isinstance(leaf, keras.KerasTensor) for leaf in keras.tree.flatten(value))


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, list | tuple) and isinstance(default, list | tuple):
        return list(value) == list(default)
    return type(value) is type(default) and bool(value == default)
