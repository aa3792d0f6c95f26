"""Activations across channels: normalized to sum to one, doubled, gated."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, OracleError, op
from verify.oracle.dims import channel_axis


@op("nn.SoftMax", "nn.SpatialSoftMax")
class SoftMax(Op):
    """The exponential over its sum along the channels."""

    def forward(self, x: Array) -> Any:
        if not 1 <= x.ndim <= 4:
            raise OracleError(f"{self.node}: takes 1 to 4 dimensions, got {x.shape}")
        axis = channel_axis(x.ndim)
        wide = x.astype(np.float64)
        powers = np.exp(wide - wide.max(axis=axis, keepdims=True))
        return np.asarray(powers / powers.sum(axis=axis, keepdims=True)).astype(x.dtype)

    def backward(self, x: Array, gy: Array) -> Any:
        y, axis = self.forward(x), channel_axis(x.ndim)
        inner = (gy * y).sum(axis=axis, keepdims=True, dtype=np.float64).astype(x.dtype)
        return y * (gy - inner)


@op("nn.SoftMin")
class SoftMin(SoftMax):
    """SoftMax of −x."""

    def forward(self, x: Array) -> Any:
        return super().forward(-x)

    def backward(self, x: Array, gy: Array) -> Any:
        y, axis = self.forward(x), channel_axis(x.ndim)
        inner = (gy * y).sum(axis=axis, keepdims=True, dtype=np.float64).astype(x.dtype)
        return -(y * (gy - inner))


@op("nn.LogSoftMax", "nn.SpatialLogSoftMax")
class LogSoftMax(Op):
    """The input minus the logarithm of the sum of exp x along the channels."""

    def forward(self, x: Array) -> Any:
        if not 1 <= x.ndim <= 4:
            raise OracleError(f"{self.node}: takes 1 to 4 dimensions, got {x.shape}")
        axis = channel_axis(x.ndim)
        wide = x.astype(np.float64)
        top = wide.max(axis=axis, keepdims=True)
        total = top + np.log(np.exp(wide - top).sum(axis=axis, keepdims=True))
        return np.asarray(wide - total).astype(x.dtype)

    def backward(self, x: Array, gy: Array) -> Any:
        y = self.forward(x).astype(np.float64)
        total = gy.sum(axis=channel_axis(x.ndim), keepdims=True, dtype=np.float64)
        return np.asarray(gy - np.exp(y) * total).astype(x.dtype)


@op("nn.CReLU")
class CReLU(Op):
    """Channels of relu x, then channels of relu −x."""

    def _axis(self, x: Array) -> int:
        return 1 if x.ndim == self.node.integer("nInputDims") + 1 else 0

    def forward(self, x: Array) -> Any:
        return np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], axis=self._axis(x))

    def backward(self, x: Array, gy: Array) -> Any:
        above, below = np.split(gy, 2, axis=self._axis(x))
        return np.where(x > 0, above, 0) - np.where(x < 0, below, 0)


@op("nn.GatedLinearUnit")
class GatedLinearUnit(Op):
    """First half of a dimension times the sigmoid of its second half."""

    def _halves(self, x: Array) -> tuple[int, Array, Array]:
        axis = int(self.node.get("dim", x.ndim)) - 1
        if x.shape[axis] % 2:
            raise OracleError(f"{self.node}: dimension {axis + 1} of {x.shape} is odd")
        value, gate = np.split(x, 2, axis=axis)
        with np.errstate(over="ignore"):
            return (
                axis,
                value,
                np.asarray(1 / (1 + np.exp(-gate.astype(np.float64)))).astype(x.dtype),
            )

    def forward(self, x: Array) -> Any:
        _, value, gate = self._halves(x)
        return value * gate

    def backward(self, x: Array, gy: Array) -> Any:
        axis, value, gate = self._halves(x)
        return np.concatenate([gy * gate, gy * value * (1 - gate) * gate], axis=axis)
