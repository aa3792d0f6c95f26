"""Sums, means and extremes along a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, op
from verify.oracle.dims import axis_of


class Reduction(Op):
    """Removes a dimension; a vector keeps one of size 1."""

    def keeps(self, x: Array) -> bool:
        """Whether the dimension stays, with size 1."""
        return x.ndim == 1 or not self.node.flag("squeeze", True)

    def axis(self, x: Array) -> int:
        """The dimension as NumPy counts."""
        return axis_of(self.node, x.ndim, default=1)


@op("nn.Sum", "nn.Mean")
class Sum(Reduction):
    """The sum along a dimension, or the mean."""

    def setup(self) -> None:
        self.mean = self.node.flag("sizeAverage", self.node.class_name == "nn.Mean")

    def forward(self, x: Array) -> Any:
        axis = self.axis(x)
        total = x.sum(axis=axis, keepdims=self.keeps(x), dtype=np.float64).astype(x.dtype)
        return total / x.shape[axis] if self.mean else total

    def backward(self, x: Array, gy: Array) -> Any:
        axis = self.axis(x)
        grad = gy if self.keeps(x) else np.expand_dims(gy, axis)
        return np.broadcast_to(grad / x.shape[axis] if self.mean else grad, x.shape).copy()


@op("nn.Max")
class Max(Reduction):
    """The greatest entry along a dimension; of equal ones the first gets the gradient."""

    def place(self, x: Array) -> Array:
        """Index of the extreme entries, with the dimension kept."""
        return np.argmax(x, axis=self.axis(x), keepdims=True)

    def forward(self, x: Array) -> Array:
        axis = self.axis(x)
        best = np.take_along_axis(x, self.place(x), axis)
        return best if x.ndim == 1 else best.squeeze(axis)

    def backward(self, x: Array, gy: Array) -> Array:
        axis = self.axis(x)
        grad = np.zeros_like(x)
        upstream = gy if x.ndim == 1 else np.expand_dims(gy, axis)
        np.put_along_axis(grad, self.place(x), upstream, axis)
        return grad


@op("nn.Min")
class Min(Max):
    """The least entry along a dimension; of equal ones the first gets the gradient."""

    def place(self, x: Array) -> Array:
        return np.argmin(x, axis=self.axis(x), keepdims=True)
