"""Parts and copies of the input."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, OracleError, op


class Window(Op):
    """Gives a part of the input; :meth:`index` says which."""

    def index(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        """NumPy's index of the part."""
        raise NotImplementedError

    def forward(self, x: Array) -> Any:
        return x[self.index(x.shape)]

    def backward(self, x: Array, gy: Array) -> Array:
        grad = np.zeros_like(x)
        grad[self.index(x.shape)] = gy
        return grad

    def axis(self, rank: int) -> int:
        """NumPy's axis of the field `dimension`, counted from the end where negative."""
        dimension = self.node.integer("dimension")
        return dimension + rank if dimension < 0 else dimension - 1


@op("nn.Select")
class Select(Window):
    """One entry of a dimension, which is gone afterwards."""

    def index(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        axis, index = self.axis(len(shape)), self.node.integer("index")
        at = index + shape[axis] if index < 0 else index - 1
        if not 0 <= at < shape[axis]:
            raise OracleError(f"{self.node}: dimension {axis + 1} of {shape} has no entry {index}")
        if len(shape) == 1:
            raise OracleError(f"{self.node}: an entry of a vector is a number, not a tensor")
        return (*[slice(None)] * axis, at)


@op("nn.Narrow")
class Narrow(Window):
    """A run of entries of a dimension; a negative index leaves out the last ones."""

    def index(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        axis, size = self.axis(len(shape)), shape[self.axis(len(shape))]
        index, length = self.node.integer("index"), self.node.integer("length", 1)
        if length < 0:
            length += size - index + 2
        if index < 0:
            index, length = 1, size - length
        if not 1 <= index <= index + length - 1 <= size:
            raise OracleError(f"{self.node}: dimension {axis + 1} of {shape} has no such part")
        return (*[slice(None)] * axis, slice(index - 1, index - 1 + length))


@op("nn.Replicate")
class Replicate(Op):
    """The input repeated along a new dimension."""

    def _axis(self, x: Array) -> int:
        dims = self.node.get("ndim")
        return self.node.integer("dim", 1) - 1 + (dims is not None and x.ndim > int(dims))

    def forward(self, x: Array) -> Array:
        axis = self._axis(x)
        return np.repeat(np.expand_dims(x, axis), self.node.integer("nfeatures"), axis=axis)

    def backward(self, x: Array, gy: Array) -> Array:
        return gy.sum(axis=self._axis(x), dtype=np.float64).astype(gy.dtype)


@op("nn.Padding")
class Padding(Op):
    """Entries of a constant put into a dimension: before an index, or counted from the end."""

    def _split(self, x: Array) -> tuple[int, int, int]:
        dims = self.node.get("nInputDim")
        axis = self.node.integer("dim") - 1 + (dims is not None and x.ndim != int(dims))
        index, pad = self.node.integer("index", 1), self.node.integer("pad")
        if pad > 0:
            index = x.shape[axis] - index + 2
        return axis, index - 1, abs(pad)

    def forward(self, x: Array) -> Array:
        axis, at, count = self._split(x)
        shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
        filled = np.full(shape, self.node.number("value", 0.0), x.dtype)
        before, after = np.split(x, [at], axis=axis)
        return np.concatenate([before, filled, after], axis=axis)

    def backward(self, x: Array, gy: Array) -> Array:
        axis, at, count = self._split(x)
        return np.delete(gy, slice(at, at + count), axis=axis)
