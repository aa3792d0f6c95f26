"""Constants and learned factors and offsets."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, OracleError, op
from verify.oracle.dims import zeros


def total(grad: Array, shape: tuple[int, ...]) -> Array:
    """A gradient summed over the dimensions that were broadcast from ``shape``."""
    extra = grad.ndim - len(shape)
    axes = [*range(extra), *(i + extra for i, n in enumerate(shape) if n == 1)]
    return grad.sum(axis=tuple(axes), dtype=np.float64).reshape(shape).astype(grad.dtype)


class Learned(Op):
    """A learned tensor that meets the input as a whole, by broadcasting, or sample by sample."""

    field = ""

    def shapes(self, x: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """How the input and the tensor are viewed where they meet."""
        size = self.params[self.field].shape
        count = self.params[self.field].size
        if count == x.size:
            return (x.size,), (x.size,)
        if len(size) == x.ndim:
            return x.shape, size
        rows = x.reshape(x.shape[0], -1)
        if count not in (1, rows.shape[1]):
            raise OracleError(f"{self.node}: {size} does not fit an input of {x.shape}")
        return rows.shape, (1, count)


@op("nn.CMul")
class CMul(Learned):
    """Times a learned tensor, element by element."""

    field = "weight"

    def forward(self, x: Array) -> Array:
        view, size = self.shapes(x)
        return (x.reshape(view) * self.params["weight"].reshape(size)).reshape(x.shape)

    def backward(self, x: Array, gy: Array) -> Array:
        view, size = self.shapes(x)
        weight = self.params["weight"]
        each = x.reshape(view) * gy.reshape(view)
        self.grads["weight"] += total(each, size).reshape(weight.shape)
        return (gy.reshape(view) * weight.reshape(size)).reshape(x.shape)


@op("nn.CAdd")
class CAdd(Learned):
    """Plus a learned tensor, element by element."""

    field = "bias"

    def forward(self, x: Array) -> Array:
        view, size = self.shapes(x)
        return (x.reshape(view) + self.params["bias"].reshape(size)).reshape(x.shape)

    def backward(self, x: Array, gy: Array) -> Array:
        view, size = self.shapes(x)
        grad = self.grads["bias"]
        grad += total(gy.reshape(view), size).reshape(grad.shape)
        return gy.copy()


@op("nn.Add")
class Add(CAdd):
    """Plus a learned vector, sample by sample, or plus one learned number."""

    def shapes(self, x: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if self.node.flag("scalar") or self.params["bias"].size == 1:
            return (x.size,), (1,)
        if x.shape == self.params["bias"].shape:
            return x.shape, x.shape
        return (x.shape[0], x.size // x.shape[0]), (1, self.params["bias"].size)


@op("nn.Mul")
class Mul(CMul):
    """Times one learned number."""

    def shapes(self, x: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (x.size,), (1,)


@op("nn.AddConstant")
class AddConstant(Op):
    """Plus a constant number, or a constant tensor of the input's size."""

    def setup(self) -> None:
        tensor = "constant_scalar" in self.node.tensors
        self.constant: Any = (
            self.node.array("constant_scalar") if tensor else self.node.number("constant_scalar")
        )

    def forward(self, x: Array) -> Array:
        return np.asarray(x + self.constant, x.dtype)

    def backward(self, x: Array, gy: Array) -> Array:
        return gy.copy()


@op("nn.MulConstant")
class MulConstant(AddConstant):
    """Times a constant number, or a constant tensor of the input's size."""

    def forward(self, x: Array) -> Array:
        return np.asarray(x * self.constant, x.dtype)

    def backward(self, x: Array, gy: Array) -> Array:
        return np.asarray(gy * self.constant, x.dtype)


@op("nn.Constant")
class Constant(Op):
    """A constant tensor, once a row of the input where that has a batch."""

    def forward(self, x: Array) -> Array:
        value = self.env.array(self.node, "value")
        dims = self.node.get("nInputDim")
        if dims is not None and x.ndim > int(dims):
            return np.broadcast_to(value, (x.shape[0], *value.shape)).copy()
        return value.copy()

    def backward(self, x: Any, gy: Array) -> Any:
        return zeros(x)
