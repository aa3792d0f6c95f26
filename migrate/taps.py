"""Where in a Keras model each Torch module is: by name, so that a saved model can be asked, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Seam", "resolve", "seams", "torch_layout"]


@dataclass(frozen=True)
class Spot:
    """One tensor of a Keras model.

    Attributes:
        operation: name of the layer or operation that made it.
        node: which of its calls.
        index: which of that call's outputs.
        axes: how it was transposed from Torch's layout; empty if it was not.
        order: which of Torch's features each feature is; empty if they are in Torch's order.
    """

    operation: str
    node: int
    index: int
    axes: tuple[int, ...] = ()
    order: tuple[int, ...] = ()

    def from_torch(self, array: Any) -> Any:
        """Torch's value as it is at this spot."""
        array = np.transpose(array, self.axes) if self.axes else array
        return array[..., list(self.order)] if self.order else array

    def to_torch(self, array: Any) -> Any:
        """The inverse of :meth:`from_torch`."""
        array = array[..., np.argsort(self.order)] if self.order else array
        return np.transpose(array, np.argsort(self.axes)) if self.axes else array


@dataclass(frozen=True)
class Seam:
    """What a module takes and gives: spots, or lists of them for tables."""

    takes: Any
    gives: Any

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"takes": _dump(self.takes), "gives": _dump(self.gives)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Seam:
        """The inverse of :meth:`to_json`."""
        return cls(_load(data["takes"]), _load(data["gives"]))


def _dump(value: Any) -> Any:
    if isinstance(value, list):
        return [_dump(entry) for entry in value]
    if isinstance(value, dict):
        return {"named": {name: _dump(entry) for name, entry in value.items()}}
    order = [list(value.order)] if value.order else []
    return {"spot": [value.operation, value.node, value.index, list(value.axes), *order]}


def _load(data: Any) -> Any:
    if isinstance(data, list):
        return [_load(entry) for entry in data]
    if "named" in data:
        return {name: _load(entry) for name, entry in data["named"].items()}
    operation, node, index, axes, *order = data["spot"]
    return Spot(operation, node, index, tuple(axes), *map(tuple, order))


def seams(ctx: Any) -> dict[str, Seam]:
    """Path of every converted module → its seam, from a finished :class:`Context`."""

    def spot(x: Any) -> Any:
        if isinstance(x, list):
            return [spot(entry) for entry in x]
        if isinstance(x, dict):
            return {name: spot(entry) for name, entry in x.items()}
        operation, node, index = x._keras_history
        order = ctx.order(x)
        features = () if order is None else tuple(order.tolist())
        return Spot(operation.name, node, index, ctx.axes(x), features)

    return {path: Seam(spot(ctx.entries[path]), spot(y)) for path, y in ctx.taps.items()}


def torch_layout(spot: Any, value: Any) -> Any:
    """An array (or lists of them) taken at a spot, in Torch's layout."""
    if isinstance(spot, list):
        return [torch_layout(s, v) for s, v in zip(spot, value, strict=True)]
    return spot.to_torch(value)


def resolve(model: Any, spot: Any) -> Any:
    """The Keras tensor(s) of a spot in a (possibly reloaded) model.

    Raises:
        KeyError: the model has no operation of that name.
    """
    if isinstance(spot, list):
        return [resolve(model, entry) for entry in spot]
    if isinstance(spot, dict):
        return {name: resolve(model, entry) for name, entry in spot.items()}
    operations = {operation.name: operation for operation in model.operations}
    node = operations[spot.operation]._inbound_nodes[spot.node]
    return node.output_tensors[spot.index]
