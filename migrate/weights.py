"""Torch tensors into Keras variables, each exactly once, and gradients back the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "IDENTITY",
    "TRANSPOSE",
    "Binding",
    "Via",
    "WeightError",
    "assign",
    "permute",
    "reshape",
    "rows",
]

Array = np.ndarray[Any, Any]


class WeightError(ValueError):
    """A tensor does not fit its variable, is missing, or is left over."""


@dataclass(frozen=True)
class Via:
    """A change of layout between Torch's tensor and the variable.

    Attributes:
        name: for the report, e.g. ``transpose``.
        there: Torch's layout → the variable's.
        back: the variable's layout → Torch's; takes the original Torch shape as second argument.
    """

    name: str
    there: Callable[[Array], Array]
    back: Callable[[Array, tuple[int, ...]], Array]

    def then(self, after: Via) -> Via:
        """First this, then ``after``. Shapes in between must follow from the original's."""

        def back(grad: Array, shape: tuple[int, ...]) -> Array:
            middle = self.there(np.empty(shape, grad.dtype)).shape
            return self.back(after.back(grad, middle), shape)

        return Via(f"{self.name}, {after.name}", lambda a: after.there(self.there(a)), back)


IDENTITY = Via("as it is", lambda a: a, lambda g, shape: g)
TRANSPOSE = Via("transpose", lambda a: a.T, lambda g, shape: g.T)


def permute(*axes: int) -> Via:
    """``np.transpose`` by ``axes``."""
    inverse = tuple(np.argsort(axes))
    return Via(
        f"permute{axes}", lambda a: np.transpose(a, axes), lambda g, shape: np.transpose(g, inverse)
    )


def reshape(*shape: int) -> Via:
    """``np.reshape`` to ``shape``, row-major."""
    return Via(f"reshape{shape}", lambda a: a.reshape(shape), lambda g, torch: g.reshape(torch))


def rows(order: Array) -> Via:
    """Rows in another order: row i is the original's ``order[i]``."""
    back = np.argsort(order)
    return Via("rows in another order", lambda a: a[order], lambda g, _: g[back])


@dataclass(frozen=True)
class Binding:
    """One Torch tensor and the variable that holds it now.

    Attributes:
        path: ``3.FullDenseLayer.1.Linear.weight``.
        variable: the Keras variable.
        via: how the layouts differ.
        shape: of the Torch tensor.
        trainable: whether Torch's ``parameters()`` lists it.
        gradient_via: where Torch's gradient has another form than the tensor.
    """

    path: str
    variable: Any
    via: Via
    shape: tuple[int, ...]
    trainable: bool = True
    gradient_via: Via | None = None

    def gradient(self, grad: Array) -> Array:
        """A gradient of the variable as Torch's ``parameters()`` has it."""
        return (self.gradient_via or self.via).back(grad, self.shape)

    def value(self) -> Array:
        """The variable's values in Torch's layout."""
        return self.via.back(np.asarray(self.variable), self.shape)


def assign(dst: Any, src: Array, via: Via = IDENTITY, where: str = "") -> None:
    """Put a Torch tensor into a Keras variable.

    Args:
        dst: the variable.
        src: the tensor, in Torch's layout.
        via: the change of layout.
        where: path of the tensor, for errors.

    Raises:
        WeightError: the shapes differ after ``via``, or the values would lose precision.
    """
    values = via.there(src)
    if tuple(dst.shape) != values.shape:
        raise WeightError(
            f"{where}: the tensor {src.shape} ({via.name}) gives {values.shape}, "
            f"but the variable {dst.path!r} is {tuple(dst.shape)}"
        )
    target = np.dtype(str(dst.dtype))
    if values.dtype.kind == "f" and target.itemsize < values.dtype.itemsize:
        raise WeightError(
            f"{where}: {values.dtype} values would lose precision in {dst.path!r} ({target})"
        )
    dst.assign(np.ascontiguousarray(values, dtype=target))
