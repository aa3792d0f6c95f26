"""Activations made of straight pieces."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, op
from verify.oracle.dims import channel_axis
from verify.oracle.elementwise import Elementwise


@op("nn.Threshold", "nn.ReLU")
class Threshold(Elementwise):
    """The input above the threshold, else a value."""

    def setup(self) -> None:
        self.threshold = self.node.number("threshold", 0.0)
        self.value = self.node.number("val", 0.0)

    def forward(self, x: Array) -> Any:
        return np.where(x > self.threshold, x, np.asarray(self.value, x.dtype))

    def df(self, x: Array, y: Array) -> Any:
        return x > self.threshold


@op("nn.HardTanh", "nn.Clamp")
class HardTanh(Elementwise):
    """Clamped to [min, max]; the derivative is 0 on the bounds, too."""

    def setup(self) -> None:
        self.low = self.node.number("min_val", -1.0)
        self.high = self.node.number("max_val", 1.0)

    def forward(self, x: Array) -> Any:
        low, high = np.asarray(self.low, x.dtype), np.asarray(self.high, x.dtype)
        return np.where(x < low, low, np.where(x <= high, x, high))

    def df(self, x: Array, y: Array) -> Any:
        return (x > self.low) & (x < self.high)


@op("nn.ReLU6")
class ReLU6(HardTanh):
    """Clamped to [0, 6]."""

    def setup(self) -> None:
        self.low, self.high = 0.0, 6.0


@op("nn.ClippedReLU")
class ClippedReLU(HardTanh):
    """Clamped to [0, ceiling]."""

    def setup(self) -> None:
        self.low, self.high = 0.0, self.node.number("ceiling")


@op("nn.HardShrink")
class HardShrink(Elementwise):
    """0 within ±lambda, else x."""

    def setup(self) -> None:
        self.bound = self.node.number("lambda", 0.5)

    def f(self, x: Array) -> Any:
        return np.where((x > self.bound) | (x < -self.bound), x, 0.0)

    def df(self, x: Array, y: Array) -> Any:
        return (x > self.bound) | (x < -self.bound)


@op("nn.SoftShrink")
class SoftShrink(HardShrink):
    """0 within ±lambda, else x moved towards 0 by lambda."""

    def f(self, x: Array) -> Any:
        low = np.where(x < -self.bound, x + self.bound, 0.0)
        return np.where(x > self.bound, x - self.bound, low)


@op("nn.LeakyReLU")
class LeakyReLU(Elementwise):
    """The input above 0, else slope·x."""

    def setup(self) -> None:
        self.slope = self.node.number("negval", 0.01)

    def f(self, x: Array) -> Any:
        return np.where(x > 0, x, x * self.slope)

    def df(self, x: Array, y: Array) -> Any:
        # In place Torch looks at what it has written over the input.
        return np.where((y if self.node.flag("inplace") else x) > 0, 1.0, self.slope)


@op("nn.RReLU")
class RReLU(Op):
    """LeakyReLU with a slope drawn for each element that is not above 0; the mean in evaluation."""

    def setup(self) -> None:
        self.lower = self.node.number("lower", 1 / 8)
        self.upper = self.node.number("upper", 1 / 3)

    def forward(self, x: Array) -> Any:
        below = x <= 0
        self.slopes = np.ones_like(x)
        self.slopes[below] = (self.lower + self.upper) / 2
        if self.training:
            drawn = self.env.generator.uniform(int(below.sum()))
            self.slopes[below] = drawn * (self.upper - self.lower) + self.lower
        return x * self.slopes

    def backward(self, x: Array, gy: Array) -> Any:
        return gy * self.slopes


@op("nn.PReLU")
class PReLU(Op):
    """The input above 0, else slope·x; one learned slope, or one a channel."""

    def _slope(self, x: Array) -> Array:
        weight = self.params["weight"]
        if self.node.integer("nOutputPlane", 0) == 0:
            return weight.reshape(())
        shape = [1] * x.ndim
        shape[channel_axis(x.ndim)] = -1
        return weight.reshape(shape)

    def forward(self, x: Array) -> Any:
        return np.where(x > 0, x, x * self._slope(x))

    def backward(self, x: Array, gy: Array) -> Any:
        slope = self._slope(x)
        each = np.where(x > 0, 0, x * gy)
        if slope.ndim == 0:
            self.grads["weight"] += each.sum(dtype=np.float64)
        else:
            others = tuple(i for i in range(x.ndim) if slope.shape[i] == 1 and x.shape[i] != 1)
            total = each.sum(axis=others, dtype=np.float64)
            self.grads["weight"] += total.reshape(-1).astype(x.dtype)
        return np.where(x > 0, gy, gy * slope)
