"""Smooth functions, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, op
from verify.oracle.elementwise import Elementwise


@op("nn.ELU")
class ELU(Elementwise):
    """The input above 0, else alpha·(exp x − 1)."""

    def setup(self) -> None:
        self.alpha = self.node.number("alpha", 1.0)

    def f(self, x: Array) -> Any:
        return np.where(x <= 0, (np.exp(x) - 1) * self.alpha, x)

    def df(self, x: Array, y: Array) -> Any:
        return np.where(y <= 0, y + self.alpha, 1.0)


@op("nn.Sigmoid")
class Sigmoid(Elementwise):
    """1 / (1 + exp −x)."""

    def f(self, x: Array) -> Any:
        return 1 / (1 + np.exp(-x))

    def df(self, x: Array, y: Array) -> Any:
        return np.asarray((1 - y) * y)


@op("nn.LogSigmoid")
class LogSigmoid(Elementwise):
    """−log(1 + exp −x): −inf where exp −x overflows."""

    def forward(self, x: Array) -> Any:
        with np.errstate(all="ignore"):
            z = np.exp(-x.astype(np.float64)).astype(x.dtype).astype(np.float64)
            return np.asarray(-np.log(1 + z)).astype(x.dtype)

    def df(self, x: Array, y: Array) -> Any:
        z = np.exp(-x)
        return z / (1 + z)


@op("nn.Tanh")
class Tanh(Elementwise):
    """Hyperbolic tangent."""

    def f(self, x: Array) -> Any:
        return np.tanh(x)

    def df(self, x: Array, y: Array) -> Any:
        return np.asarray(1 - y * y)


@op("nn.TanhShrink")
class TanhShrink(Elementwise):
    """The input less its hyperbolic tangent."""

    def f(self, x: Array) -> Any:
        return x - np.tanh(x)

    def df(self, x: Array, y: Array) -> Any:
        return np.tanh(x) ** 2


@op("nn.SoftPlus")
class SoftPlus(Elementwise):
    """log(1 + exp βx)/β, and x itself where βx is above the threshold."""

    def setup(self) -> None:
        self.beta = self.node.number("beta", 1.0)
        self.threshold = self.node.number("threshold", 20.0)

    def f(self, x: Array) -> Any:
        scaled = x * self.beta
        return np.where(scaled > self.threshold, x, np.log1p(np.exp(scaled)) / self.beta)

    def df(self, x: Array, y: Array) -> Any:
        z = np.exp(y * self.beta)
        return np.where(y * self.beta > self.threshold, 1.0, (z - 1) / z)


@op("nn.SoftSign")
class SoftSign(Elementwise):
    """The input by (1 + |x|)."""

    def f(self, x: Array) -> Any:
        return x / (1 + np.abs(x))

    def df(self, x: Array, y: Array) -> Any:
        return 1 / (1 + np.abs(x)) ** 2


@op("nn.Abs")
class Abs(Elementwise):
    """|x|, with derivative 1 at 0."""

    def f(self, x: Array) -> Any:
        return np.abs(x)

    def df(self, x: Array, y: Array) -> Any:
        return np.where(x >= 0, 1.0, -1.0)


@op("nn.Exp")
class Exp(Elementwise):
    """The exponential."""

    def f(self, x: Array) -> Any:
        return np.exp(x)

    def df(self, x: Array, y: Array) -> Any:
        return y


@op("nn.Log")
class Log(Elementwise):
    """Natural logarithm."""

    def f(self, x: Array) -> Any:
        return np.log(x)

    def df(self, x: Array, y: Array) -> Any:
        return 1 / x


@op("nn.Square")
class Square(Elementwise):
    """The square."""

    def f(self, x: Array) -> Any:
        return x * x

    def df(self, x: Array, y: Array) -> Any:
        return 2 * x


@op("nn.Sqrt")
class Sqrt(Elementwise):
    """√x, with derivative 0 where the root is 0. Torch ignores the field `eps`."""

    def f(self, x: Array) -> Any:
        return np.sqrt(x)

    def df(self, x: Array, y: Array) -> Any:
        return np.where(y == 0, 0.0, 0.5 / y)


@op("nn.Power")
class Power(Elementwise):
    """The input to a constant power."""

    def setup(self) -> None:
        self.power = self.node.number("pow")

    def f(self, x: Array) -> Any:
        return x**self.power

    def df(self, x: Array, y: Array) -> Any:
        return self.power * x ** (self.power - 1)
