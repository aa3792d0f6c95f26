"""A converted model that is in memory, as the candidate whose layers are compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from migrate.converter import Converted
from migrate.taps import Seam
from verify.engines.parts import Parts

__all__ = ["ConvertedEngine"]

Array = np.ndarray[Any, Any]


class ConvertedEngine:
    """The v2 side of :func:`verify.locate.locate`.

    Args:
        converted: the model.
        training: run in training mode even where evaluation is asked for (a fault to plant).

    Attributes:
        seams: path of a Torch module → where it is in the model.
        torch_layout: parameters come as Torch has them, not as the variables do.
    """

    torch_layout = True

    def __init__(self, converted: Converted, training: bool = False) -> None:
        self.converted = converted
        self.seams: dict[str, Seam] = converted.seams
        root = converted.seams[converted.module.path].takes
        self._parts = Parts(converted.model, converted.plan, root, training)

    def run(self, takes: Any, gives: Any, value: Any) -> Any:
        """What one part of the model makes of a value; see :meth:`Parts.run`."""
        return self._parts.run(takes, gives, value)

    def run_all(self, takes: Any, gives: Any, value: Any) -> dict[str, Any]:
        """Several outputs of one run; see :meth:`Parts.run_all`."""
        return self._parts.run_all(takes, gives, value)

    def train_step(self, takes: Any, gives: Any, value: Any) -> tuple[Any, dict[str, Array]]:
        """The output in training mode, and the tensors as that forward leaves them.

        The model itself stays as it was.
        """
        variables = self.converted.model.variables
        before = [np.asarray(variable) for variable in variables]
        try:
            return self._parts.run(takes, gives, value, training=True), self.parameters()
        finally:
            for variable, values in zip(variables, before, strict=True):
                variable.assign(values)

    def parameters(self) -> dict[str, Array]:
        """Torch path of every tensor → its values in the model, in Torch's layout."""
        return {b.path: np.array(b.value()) for b in self.converted.report.bindings}
