"""Which inputs of a model are indices, and which indices its tables have."""

from __future__ import annotations

from typing import Any

import keras

from deepbird_v2.layers.lookup_table import LookupTable

__all__ = ["index_ranges"]


def index_ranges(model: Any) -> dict[str, tuple[int, int]]:
    """Input name → the (least, largest) index that every table it goes to has.

    An input is followed to its tables through casts and through constants that are added or
    subtracted (Torch counts from 1); what goes through anything else is not in the answer.

    Args:
        model: functional Keras model.
    """
    ranges: dict[str, tuple[int, int]] = {}
    for node in _nodes(model):
        rows = _rows(node.operation)
        if rows is None:
            continue
        found = _source(node.input_tensors[0])
        if found is not None:
            name, first = found
            least, largest = ranges.get(name, (first, first + rows - 1))
            ranges[name] = max(least, first), min(largest, first + rows - 1)
    return ranges


def _nodes(model: Any) -> list[Any]:
    depths = getattr(model, "_nodes_by_depth", {})
    return [node for nodes in depths.values() for node in nodes]


def _rows(operation: Any) -> int | None:
    if isinstance(operation, LookupTable):
        return int(operation.rows)
    return int(operation.input_dim) if isinstance(operation, keras.layers.Embedding) else None


def _source(tensor: Any) -> tuple[str, int] | None:
    """The input that a tensor of row numbers comes from, and what is row 0 there."""
    first = 0
    while True:
        history = tensor._keras_history
        operation = history.operation
        if isinstance(operation, keras.layers.InputLayer):
            return tensor.name, first
        node = operation._inbound_nodes[history.node_index]
        kind = type(operation).__name__
        if kind in ("Add", "Subtract"):
            constant = next((a for a in node.arguments.args if isinstance(a, int | float)), None)
            if constant is None or node.arguments.args[0] is constant:
                return None
            first += int(constant) if kind == "Subtract" else -int(constant)
        elif kind != "Cast":
            return None
        tensor = node.input_tensors[0]
