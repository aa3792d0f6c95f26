"""Parameters that Torch shares between modules and a Keras model has to hold several times.

Modules that share all of their parameters become one layer. Where they share only some (siamese
towers with running statistics of their own), each layer has its own copy: the same values and,
in :meth:`Converted.gradients`, the same gradient as in Torch, but training moves them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from migrate.graph import tensor_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migrate.graph import Parameter
    from migrate.weights import Binding

__all__ = ["Ties", "add_up", "find_ties"]

Ties = tuple[tuple[int, ...], ...]
"""Groups of positions in Torch's ``parameters()``, one tensor in several variables each."""


def find_ties(parameters: Sequence[Parameter], bindings: Sequence[Binding]) -> Ties:
    """The parameters whose tensor is one in Torch, gradient included, and several in the model."""
    groups: dict[object, list[int]] = {}
    for position, parameter in enumerate(parameters):
        groups.setdefault((tensor_key(parameter.tensor), _gradient(parameter)), []).append(position)
    return tuple(
        tuple(group)
        for group in groups.values()
        if len({id(bindings[position].variable) for position in group}) > 1
    )


def add_up(
    ties: Ties, bindings: Sequence[Binding], grads: Sequence[np.ndarray[Any, Any]]
) -> list[np.ndarray[Any, Any]]:
    """Gradients by parameter, with Torch's total for each parameter of a tie."""
    totals = list(grads)
    for group in ties:
        by_variable = {id(bindings[position].variable): grads[position] for position in group}
        total = np.sum(list(by_variable.values()), axis=0)
        for position in group:
            totals[position] = total
    return totals


def _gradient(parameter: Parameter) -> object:
    """The buffer of the parameter's gradient; None where the file has none."""
    name = parameter.name
    buffer = parameter.module.tensors.get(f"grad{name[0].upper()}{name[1:]}")
    return None if buffer is None or buffer.storage is None else tensor_key(buffer)
