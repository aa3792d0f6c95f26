"""The parameters of a converted model as Torch counts them and as Keras does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deepbird_v2.training.replay import NOISY, NoiseUse
from migrate.context import ConversionError
from migrate.converter import Converted
from migrate.flat import FlatLayout
from migrate.graph import parameters
from migrate.taps import Spot

__all__ = ["Trainable", "noise_uses"]

Array = np.ndarray[Any, Any]


class Trainable:
    """Torch's flat vector on one side, Keras variables on the other.

    Args:
        converted: the model.

    Attributes:
        layout: of the flat vector.
        variables: each once, in the order in which Torch's ``parameters()`` meets them.
        uses: how often ``parameters()`` meets each of them.
        ties: groups of positions in ``variables`` that are one parameter in Torch.

    Raises:
        ConversionError: the model has parameters that Torch makes only as it runs.
    """

    def __init__(self, converted: Converted) -> None:
        self.layout = FlatLayout.of(parameters(converted.module))
        self._bindings = converted._parameters
        if len(self._bindings) != len(self.layout.paths):
            raise ConversionError(
                "the model makes parameters as it runs; save it from Torch after a forward pass"
            )
        position: dict[int, int] = {}
        self.variables: list[Any] = []
        self._at: list[int] = []
        for binding in self._bindings:
            if id(binding.variable) not in position:
                position[id(binding.variable)] = len(self.variables)
                self.variables.append(binding.variable)
            self._at.append(position[id(binding.variable)])
        self.uses = [self._at.count(i) for i in range(len(self.variables))]
        self.ties = tuple(
            tuple(dict.fromkeys(self._at[i] for i in group)) for group in converted._ties
        )

    def flat(self) -> Array:
        """The values as Torch's flat vector."""
        return self.layout.gather([binding.value() for binding in self._bindings])

    def to_torch(self, arrays: Sequence[Any]) -> Array:
        """Arrays of the variables' shapes, one each, as a flat vector."""
        own = [np.asarray(arrays[at]) for at in self._at]
        return self.layout.gather(
            [b.via.back(a, b.shape) for b, a in zip(self._bindings, own, strict=True)]
        )

    def to_keras(self, flat: Array) -> list[Array]:
        """A flat vector as arrays of the variables' shapes, one each."""
        arrays: list[Array] = [np.empty(0)] * len(self.variables)
        for at, binding, part in zip(
            self._at, self._bindings, self.layout.split(np.asarray(flat)), strict=True
        ):
            arrays[at] = np.ascontiguousarray(binding.via.there(part))
        return arrays


def noise_uses(converted: Converted) -> list[NoiseUse]:
    """Every use of a layer that draws, in the order in which Torch draws."""
    layers = {layer.name: layer for layer in converted.model.layers}
    found: dict[tuple[str, int], NoiseUse] = {}
    for seam in converted.seams.values():
        spot = seam.gives
        if isinstance(spot, Spot) and isinstance(layers.get(spot.operation), NOISY):
            key = (spot.operation, spot.node)
            found.setdefault(key, NoiseUse(*key, tuple(spot.axes)))
    return list(found.values())
