"""What does not train, cut off from a model, so that the input pipeline can do it ahead.

A discretizer in front of the first trainable layer gives the same ids whatever the weights are. In
the pipeline it runs beside the training step, on another core, in place of within it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from deepbird_v2.layers.discretizer import Discretizer
from deepbird_v2.layers.percentile_discretizer import PercentileDiscretizer
from deepbird_v2.layers.sparse_partition import SparsePartition
from deepbird_v2.training.replay import input_like

__all__ = ["Cut", "cut_off"]

# Functions of their inputs alone, in training as in inference.
FIXED = (Discretizer, PercentileDiscretizer, SparsePartition)


@dataclass(frozen=True)
class Cut:
    """A model in two.

    Attributes:
        ahead: model from the inputs to what ``rest`` takes, a list.
        rest: what is left, on the same variables.
    """

    ahead: Any
    rest: Any


def cut_off(model: Any) -> Cut | None:
    """Cut a functional model behind the layers that only prepare its inputs.

    Args:
        model: a Keras model.

    Returns:
        Both parts; None if it is not functional, or does not begin with such layers.
    """
    if not hasattr(model, "_nodes_by_depth") or not model.inputs:
        return None
    ready = {id(tensor): tensor for tensor in keras.tree.flatten(model.input)}
    ahead: list[Any] = []
    rest: list[Any] = []
    for node in _nodes(model):
        fixed = isinstance(node.operation, FIXED) and all(
            id(x) in ready for x in node.input_tensors
        )
        (ahead if fixed else rest).append(node)
        if fixed:
            ready |= {id(y): y for y in node.outputs}
    if not ahead:
        return None
    needed = {id(x) for node in rest for x in node.input_tensors}
    needed |= {id(y) for y in keras.tree.flatten(model.output)}
    border = [tensor for key, tensor in ready.items() if key in needed]
    before = keras.Model(model.input, border, name=f"{model.name}_ahead")
    return Cut(before, _behind(model, rest, border))


def _behind(model: Any, nodes: Sequence[Any], border: Sequence[Any]) -> Any:
    inputs = [input_like(tensor) for tensor in border]
    values = {id(old): new for old, new in zip(border, inputs, strict=True)}
    for node in nodes:
        args, kwargs = node.arguments.fill_in(values)
        outputs = keras.tree.flatten(node.operation(*args, **kwargs))
        values |= {id(old): new for old, new in zip(node.outputs, outputs, strict=True)}
    outputs = keras.tree.map_structure(lambda y: values[id(y)], model.output)
    return keras.Model(inputs, outputs, name=f"{model.name}_rest")


def _nodes(model: Any) -> list[Any]:
    """Every use of a layer, in the order in which Keras runs them."""
    by_depth = model._nodes_by_depth
    return [
        n for depth in sorted(by_depth, reverse=True) for n in by_depth[depth] if not n.is_input
    ]
