"""Variables as one flat vector, for methods that minimize a whole loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Closure", "Flat", "minimize"]

Array = np.ndarray[Any, Any]
Closure: TypeAlias = Callable[[Array], tuple[float, Array]]


class Flat:
    """The values of variables end to end, in their order.

    Args:
        variables: Keras variables of one type.
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        self.variables = list(variables)

    def get(self) -> Array:
        """A copy of all values."""
        return self.join([np.asarray(variable) for variable in self.variables])

    def set(self, vector: Array) -> None:
        """Put values into the variables."""
        start = 0
        for variable in self.variables:
            stop = start + int(np.prod(variable.shape))
            variable.assign(vector[start:stop].reshape(tuple(variable.shape)))
            start = stop

    @staticmethod
    def join(arrays: Sequence[Any]) -> Array:
        """Arrays of the variables' shapes, such as gradients, as one vector."""
        return np.concatenate([np.asarray(array).reshape(-1) for array in arrays])


def minimize(
    method: Any, loss_and_gradients: Callable[[], tuple[Any, Sequence[Any]]], variables: Any
) -> list[float]:
    """Let a method minimize the loss of a batch over variables.

    Args:
        method: :class:`LBFGS` or :class:`CG`.
        loss_and_gradients: computes the loss and its dense gradients at the variables' values.
        variables: Keras variables; they hold the result.

    Returns:
        The losses that the method saw, the first of them before any change.
    """
    flat = Flat(variables)

    def closure(vector: Array) -> tuple[float, Array]:
        flat.set(vector)
        loss, grads = loss_and_gradients()
        vector[:] = flat.get()  # a forward pass may bound the norm of a variable's rows
        return float(loss), Flat.join(grads)

    x = flat.get()
    losses: list[float] = method.minimize(closure, x)
    flat.set(x)
    return losses
