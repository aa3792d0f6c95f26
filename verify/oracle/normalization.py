"""Modules that normalize: over the batch, over a row, and their own weights."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from migrate.graph import with_tensor
from verify.oracle.base import Array, Op, OracleError, op
from verify.oracle.containers import Sequential

if TYPE_CHECKING:
    from migrate.graph import Module
    from verify.oracle.base import Env


@op("nn.BatchNormalization")
class BatchNormalization(Op):
    """Each feature (axis 1) to mean 0 and variance 1 of the batch, or of the running statistics.

    In training with more than one row the batch's own statistics count, and move the running
    ones, into which the unbiased variance goes. In evaluation a sample without a batch dimension
    comes out with one.
    """

    rank = 2

    def setup(self) -> None:
        """Read the statistics; version 1 of the class stored 1/sqrt(var + eps)."""
        self.eps = self.node.number("eps", 1e-5)
        self.momentum = self.node.number("momentum", 0.1)
        self.running_mean = self.env.array(self.node, "running_mean")
        if "running_var" in self.node.tensors:
            self.running_var = self.env.array(self.node, "running_var")
        else:
            std = self.env.array(self.node, "running_std")
            self.running_var = std**-2 - std.dtype.type(self.eps)

    def forward(self, x: Array) -> Array:
        x = self._batch(x)
        mean, invstd = self._statistics(x, update=True)
        weight, bias = self.params.get("weight"), self.params.get("bias")
        y = (x - self._along(x, mean)) * self._along(x, invstd)
        if weight is not None:
            y = y * self._along(x, weight)
        return y if bias is None else np.asarray(y + self._along(x, bias))

    def backward(self, x: Array, gy: Array) -> Array:
        x, gy = self._batch(x), self._batch(gy)
        mean, invstd = self._statistics(x, update=False)
        others = self._others(x)
        n = x.size // x.shape[1]
        centered = x - self._along(x, mean)
        total = gy.sum(axis=others, dtype=np.float64)
        dot = (centered * gy).sum(axis=others, dtype=np.float64)
        if "weight" in self.params:
            self.grads["weight"] += (dot * invstd).astype(x.dtype)
            self.grads["bias"] += total.astype(x.dtype)
        gx: Array = gy
        if self._by_batch(x):
            k = dot.astype(x.dtype) * invstd * invstd / x.dtype.type(n)
            gx = gy - self._along(x, total / n) - centered * self._along(x, k)
        scale = invstd * self.params.get("weight", x.dtype.type(1))
        return (gx * self._along(x, scale)).astype(x.dtype)

    def _batch(self, x: Array) -> Array:
        if x.ndim == self.rank - 1 and not self._trains:
            x = x[None]
        if x.ndim != self.rank or x.shape[1] != len(self.running_mean):
            raise OracleError(
                f"{self.node}: takes a batch of {self.rank} dimensions with "
                f"{len(self.running_mean)} features on the second, got shape {x.shape}"
            )
        return x

    @property
    def _trains(self) -> bool:
        return self.training and self.node.get("train") is not None

    def _by_batch(self, x: Array) -> bool:
        return self._trains and x.shape[0] > 1

    @staticmethod
    def _others(x: Array) -> tuple[int, ...]:
        return tuple(axis for axis in range(x.ndim) if axis != 1)

    @staticmethod
    def _along(x: Array, values: Any) -> Array:
        """``values`` of each feature, to broadcast with ``x``."""
        return np.reshape(values, (-1, *[1] * (x.ndim - 2)))

    def _statistics(self, x: Array, update: bool) -> tuple[Array, Array]:
        """(mean, 1/sqrt(variance + eps)) to normalize with, in the element type."""
        kind = x.dtype.type
        if not self._by_batch(x):
            invstd = 1.0 / np.sqrt(self.running_var.astype(np.float64) + self.eps)
            return self.running_mean.astype(kind), invstd.astype(kind)
        n = x.size // x.shape[1]
        mean = x.sum(axis=self._others(x), dtype=np.float64).astype(kind) / kind(n)
        squares = np.square(x - self._along(x, mean)).sum(axis=self._others(x), dtype=np.float64)
        if update:
            self._move(self.running_mean, mean)
            self._move(self.running_var, squares / (n - 1))
        with np.errstate(divide="ignore"):
            invstd = 1.0 / np.sqrt(squares / n + self.eps)
        if self.eps == 0:
            invstd[squares == 0] = 0
        return mean, invstd.astype(kind)

    def _move(self, running: Array, batch: Array) -> None:
        running[...] = self.momentum * batch + (1.0 - self.momentum) * running.astype(np.float64)


@op("nn.SpatialBatchNormalization")
class SpatialBatchNormalization(BatchNormalization):
    """Of (batch, plane, height, width), by plane."""

    rank = 4


@op("nn.VolumetricBatchNormalization")
class VolumetricBatchNormalization(BatchNormalization):
    """Of (batch, plane, time, height, width), by plane."""

    rank = 5


@op("nn.LayerNormalization")
class LayerNormalization(Sequential):
    """A chain of modules that center a row, divide it by its norm, and scale it."""


@op("nn.Normalize")
class Normalize(Op):
    """Rows divided by their p-norm: y = x / (sum |x|^p + eps)^(1/p), or max |x| + eps."""

    def setup(self) -> None:
        """Read p and eps."""
        self.p = self.node.number("p")
        self.eps = self.node.number("eps", 1e-10)

    def forward(self, x: Array) -> Array:
        rows = self._rows(x)
        return (rows / self._norm(rows)[1]).reshape(x.shape)

    def backward(self, x: Array, gy: Array) -> Array:
        rows, grads = self._rows(x), gy.reshape(self._rows(x).shape)
        normp, norm = self._norm(rows)
        along = (rows * grads).sum(axis=1, keepdims=True)
        if math.isinf(self.p):
            at = np.abs(rows).argmax(axis=1, keepdims=True)
            slope = np.zeros_like(rows)
            np.put_along_axis(slope, at, np.take_along_axis(rows, at, 1) / norm, 1)
            return ((norm * grads - slope * along) / (norm * norm)).reshape(x.shape)
        size = np.abs(rows)
        if self.p < 2:
            size = size + rows.dtype.type(self.eps)
        slope = rows if self.p == 2 else size ** rows.dtype.type(self.p - 2) * rows
        return ((normp * grads - slope * along) / (normp * norm)).reshape(x.shape)

    def _rows(self, x: Array) -> Array:
        if x.ndim > 2:
            raise OracleError(f"{self.node}: takes a vector or a matrix, got shape {x.shape}")
        return np.atleast_2d(x)

    def _norm(self, rows: Array) -> tuple[Array, Array]:
        """(sum |x|^p + eps, norm) of each row, as columns."""
        kind = rows.dtype.type
        if math.isinf(self.p):
            norm = np.abs(rows).max(axis=1, keepdims=True) + kind(self.eps)
            return norm, norm
        powers = np.abs(rows) ** kind(self.p)
        normp = powers.sum(axis=1, keepdims=True, dtype=np.float64).astype(kind) + kind(self.eps)
        return normp, normp ** kind(1.0 / self.p)


class WeightNormalized(Op):
    """Modules whose weight is g·v/‖v‖, row by row.

    Subclasses give the norm, and what runs with the weight.
    """

    def weight(self) -> Array:
        """g·v/‖v‖, as a matrix."""
        product: Array = self.params["v"] * self._scale()
        return product

    def add_grads(self, grad_weight: Array) -> None:
        """Gradients of v and g from the weight's, a matrix."""
        v, norm = self.params["v"], self.norm()
        along = (grad_weight * v / norm).sum(axis=1, keepdims=True)
        self.grads["g"] += along.reshape(self.grads["g"].shape)
        self.grads["v"] += (grad_weight - v / norm * along) * self._scale()

    def norm(self) -> Array:
        """‖v‖ of each row, as a column."""
        raise OracleError(f"{self.node}: no norm")

    def _scale(self) -> Array:
        return self.params["g"].reshape(-1, 1) / self.norm()

    def _sum_of_squares(self) -> Array:
        v = self.params["v"]
        return np.square(v, dtype=np.float64).sum(axis=1, keepdims=True)


@op("nn.LinearWeightNorm")
class LinearWeightNorm(WeightNormalized):
    """y = x Wᵀ + b with W = g·v/‖v‖; newer files bound the norm below by eps."""

    def norm(self) -> Array:
        kind = self.params["v"].dtype
        norm = np.sqrt(self._sum_of_squares()).astype(kind)
        return np.maximum(norm, kind.type(self.node.number("eps", 0.0)))

    def forward(self, x: Array) -> Array:
        y = x @ self.weight().T
        return y + self.params["bias"] if "bias" in self.params else y

    def backward(self, x: Array, gy: Array) -> Array:
        rows, grads = np.atleast_2d(x), np.atleast_2d(gy)
        self.add_grads(grads.T @ rows)
        if "bias" in self.params:
            self.grads["bias"] += grads.sum(axis=0)
        return np.asarray(gy @ self.weight())


@op("nn.WeightNorm")
class WeightNorm(WeightNormalized):
    """Any module with a weight, whose weight is g·v/sqrt(‖v‖² + 1e-4) instead."""

    def __init__(self, node: Module, env: Env) -> None:
        self.wrapped = node.children[0]  # without a weight it cannot be built yet
        super().__init__(replace(node, children=()), env)

    def setup(self) -> None:
        """Give the wrapped module a weight; files leave it out."""
        weight = self._shaped(self.weight())
        self.inner = self.env.build(with_tensor(self.wrapped, "weight", weight))

    def norm(self) -> Array:
        squares = self._sum_of_squares().astype(self.params["v"].dtype)
        return np.sqrt(squares + squares.dtype.type(1e-4))

    def forward(self, x: Any) -> Any:
        self.inner.params["weight"][...] = self._shaped(self.weight())
        return self.inner.forward(x)

    def backward(self, x: Any, gy: Any) -> Any:
        self.inner.grads["weight"].fill(0)
        gx = self.inner.backward(x, gy)
        front = np.moveaxis(self.inner.grads["weight"], self._axis, 0)
        self.add_grads(front.reshape(self.params["v"].shape))
        return gx

    def parameters(self) -> list[tuple[Array, Array]]:
        """As usual, but Torch's gradient of v has the wrapped weight's shape."""
        pairs = super().parameters()
        return [(pairs[0][0], pairs[0][1].reshape(self._view)), *pairs[1:]]

    @property
    def _view(self) -> tuple[int, ...]:
        return tuple(int(size) for size in self.node.get("viewOut").data)

    @property
    def _axis(self) -> int:
        return self.node.integer("outputDim", 1) - 1

    def _shaped(self, matrix: Array) -> Array:
        """The matrix, output first, in the wrapped module's own layout."""
        return np.moveaxis(matrix.reshape(self._view), 0, self._axis)


@op("nn.Kmeans")
class Kmeans(Op):
    """The number (from 1) of the nearest center of each row; backward moves the centers."""

    def forward(self, x: Array) -> Array:
        return (self._nearest(x) + 1).astype(x.dtype)

    def backward(self, x: Array, gy: Array) -> Array:
        """No gradient; a center's is minus the mean way to its rows, times scale."""
        nearest, centers = self._nearest(x), self.params["weight"]
        scale = x.dtype.type(self.node.number("scale", 1.0))
        ways = np.zeros_like(centers)
        np.add.at(ways, nearest, -scale * (x - centers[nearest]))
        rows = np.maximum(np.bincount(nearest, minlength=len(centers)), 1).astype(x.dtype)
        self.grads["weight"] += ways / rows[:, None]
        return np.zeros_like(x)

    def _nearest(self, x: Array) -> Array:
        if x.ndim != 2:
            raise OracleError(f"{self.node}: takes a matrix, got shape {x.shape}")
        differences = x[:, None, :] - self.params["weight"][None]
        return np.square(differences, dtype=np.float64).sum(axis=2).argmin(axis=1)
