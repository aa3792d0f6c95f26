"""Activations: element by element, gated, and normalized to sum to one.

THNN's C code evaluates `exp`, `log` and `tanh` in double even for floats; so do these.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, OracleError, op


def channel_axis(rank: int) -> int:
    """The axis THNN takes for the channels: the first of 1 or 3 dimensions, else the second."""
    return 0 if rank in (1, 3) else 1


class Elementwise(Op):
    """y = f(x), dx = dy·f'(x); subclasses give :meth:`f` and :meth:`df`."""

    def f(self, x: Array) -> Any:
        """The function."""
        raise NotImplementedError

    def df(self, x: Array, y: Array) -> Any:
        """Its derivative, of the input and of the output as Torch rounded it."""
        raise NotImplementedError

    def forward(self, x: Array) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(self.f(x.astype(np.float64))).astype(x.dtype)

    def backward(self, x: Array, gy: Array) -> Any:
        y = self.forward(x)
        with np.errstate(all="ignore"):
            slope = self.df(x.astype(np.float64), y.astype(np.float64))
            return np.asarray(np.where(slope == 0, 0, gy * slope), dtype=x.dtype)


# --- pieces ------------------------------------------------------------------------------------


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


# --- smooth functions --------------------------------------------------------------------------


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


# --- across channels ---------------------------------------------------------------------------


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


# --- identity forward, another gradient --------------------------------------------------------


@op("nn.GradientReversal")
class GradientReversal(Op):
    """The input; its gradient is −lambda times."""

    def forward(self, x: Array) -> Any:
        return x

    def backward(self, x: Array, gy: Array) -> Any:
        return gy * -self.node.number("lambda", 1.0)


@op("nn.L1Penalty")
class L1Penalty(Op):
    """The input; the gradient gains that of an L1 penalty on it."""

    def forward(self, x: Array) -> Any:
        return x

    def backward(self, x: Array, gy: Array) -> Any:
        weight = self.node.number("l1weight")
        if self.node.flag("sizeAverage"):
            weight /= x.size
        penalty = np.sign(x) * weight
        return penalty + gy if self.node.flag("provideOutput", True) else penalty


@op("nn.ZeroGrad")
class ZeroGrad(Op):
    """The input; no gradient passes back."""

    def forward(self, x: Array) -> Any:
        return x

    def backward(self, x: Any, gy: Any) -> Any:
        return np.zeros_like(x)
