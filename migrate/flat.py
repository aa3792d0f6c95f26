"""Torch's ``getParameters()``: every parameter of a model in one flat vector.

Torch lays the storages end to end in the order in which ``parameters()`` meets them, and leaves
out what no parameter uses; what several parameters share comes once. The state tables of its
``optim`` functions are vectors of this layout, too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from migrate.graph import GraphError, Parameter

__all__ = ["FlatLayout"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class FlatLayout:
    """Where each parameter's elements are in the flat vector.

    Attributes:
        paths: ``1.Linear.weight``, in the order of ``parameters()``; shared ones occur repeatedly.
        shapes: of the parameters, in Torch's layout.
        places: a slice of the vector for a parameter that lies there in one piece, else the index
            of each of its elements.
        size: of the vector.
    """

    paths: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    places: tuple[slice | Array, ...]
    size: int

    @classmethod
    def of(cls, parameters: Sequence[Parameter]) -> FlatLayout:
        """The layout of :func:`migrate.graph.parameters`."""
        by_storage: dict[int, list[int]] = {}
        for position, parameter in enumerate(parameters):
            by_storage.setdefault(id(parameter.tensor.storage), []).append(position)
        places: dict[int, slice | Array] = {}
        base = 0
        for positions in by_storage.values():
            base += _lay_out(parameters, positions, base, places)
        return cls(
            tuple(p.path for p in parameters),
            tuple(p.tensor.size for p in parameters),
            tuple(places[position] for position in range(len(parameters))),
            base,
        )

    @classmethod
    def end_to_end(cls, parameters: Sequence[Parameter]) -> FlatLayout:
        """All of ``parameters()`` one after the other; shared ones come repeatedly."""
        ends = np.cumsum([0, *(math.prod(p.tensor.size) for p in parameters)]).tolist()
        return cls(
            tuple(p.path for p in parameters),
            tuple(p.tensor.size for p in parameters),
            tuple(slice(a, b) for a, b in itertools.pairwise(ends)),
            ends[-1],
        )

    def gather(self, values: Sequence[Array]) -> Array:
        """The flat vector of values in the order of ``parameters()``."""
        flat = np.empty(self.size, values[0].dtype if values else np.float32)
        for place, value in zip(self.places, values, strict=True):
            flat[place] = np.asarray(value).reshape(-1)
        return flat

    def split(self, flat: Array) -> list[Array]:
        """One array a parameter, in Torch's layout; views where the vector allows it.

        Raises:
            GraphError: the vector has another size.
        """
        if flat.size != self.size:
            raise GraphError(f"the model has {self.size} parameters, the vector {flat.size}")
        flat = flat.reshape(-1)
        return [
            flat[place].reshape(shape)
            for place, shape in zip(self.places, self.shapes, strict=True)
        ]

    def where(self, index: int) -> tuple[str, tuple[int, ...]]:
        """Path of the first parameter that holds an element of the vector, and its index there."""
        for path, shape, place in zip(self.paths, self.shapes, self.places, strict=True):
            own = np.arange(place.start, place.stop) if isinstance(place, slice) else place
            found = np.flatnonzero(own == index)
            if found.size:
                return path, tuple(int(i) for i in np.unravel_index(int(found[0]), shape))
        raise GraphError(f"no parameter holds element {index} of {self.size}")


def _lay_out(
    parameters: Sequence[Parameter],
    positions: Sequence[int],
    base: int,
    places: dict[int, slice | Array],
) -> int:
    """Place the parameters of one storage from ``base`` on; how many elements they use."""
    elements = {position: _elements(parameters[position]) for position in positions}
    used = np.unique(np.concatenate(list(elements.values())))
    for position, own in elements.items():
        places[position] = _as_slice(base + np.searchsorted(used, own))
    return len(used)


def _as_slice(index: Array) -> slice | Array:
    start, stop = int(index[0]), int(index[-1]) + 1
    return slice(start, stop) if np.array_equal(index, np.arange(start, stop)) else index


def _elements(parameter: Parameter) -> Array:
    """Index in its storage of each element, in the order of Torch's own layout."""
    tensor = parameter.tensor
    index = np.asarray(tensor.offset)
    for size, stride in zip(tensor.size, tensor.stride, strict=True):
        index = index[..., None] + np.arange(size) * stride
    return index.reshape(-1)
