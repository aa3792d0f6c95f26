"""Criteria that compare element by element, and what all criteria share.

The input of a criterion's oracle is ``[input, target]``; forward gives the loss as a float,
backward the gradient of the input alone. Sums are taken in double.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, OracleError, op


class Criterion(Op):
    """What criteria share; subclasses give :meth:`loss` and :meth:`slope` in double."""

    parameter_names = ()

    def setup(self) -> None:
        """Read the options."""
        self.average = self.node.flag("sizeAverage", True)
        self.margin = self.node.number("margin", 1.0)
        has_weights = "weights" in self.node.tensors and self.node.tensors["weights"].size
        self.weights = self.node.array("weights").astype(np.float64) if has_weights else None

    def forward(self, x: Any) -> Any:
        given, target = x[0], x[1] if len(x) > 1 else None
        with np.errstate(all="ignore"):
            return float(self.loss(double(given), double(target)))

    def backward(self, x: Any, gy: Any) -> Any:
        given, target = x[0], x[1] if len(x) > 1 else None
        with np.errstate(all="ignore"):
            return like(self.slope(double(given), double(target)), given, gy)

    def loss(self, x: Any, target: Any) -> Any:
        """The loss."""
        raise OracleError(f"{self.node}: forward is not defined")

    def slope(self, x: Any, target: Any) -> Any:
        """The gradient of the input, in its form."""
        raise OracleError(f"{self.node}: backward is not defined")


def double(value: Any) -> Any:
    """Arrays (in lists) in float64."""
    if isinstance(value, list):
        return [double(entry) for entry in value]
    return value if value is None else np.asarray(value, np.float64)


def like(grad: Any, given: Any, times: float) -> Any:
    """Gradients in the types of what they are gradients of, times a factor."""
    if isinstance(grad, list):
        return [like(g, x, times) for g, x in zip(grad, given, strict=False)]
    return (np.asarray(grad) * times).astype(np.asarray(given).dtype).reshape(np.shape(given))


class Elementwise(Criterion):
    """The sum, or mean, of a function of each element and its target."""

    def loss(self, x: Array, target: Array) -> Any:
        values = self.f(x, self.expand(target, x))
        return values.sum() / (x.size if self.average else 1)

    def slope(self, x: Array, target: Array) -> Any:
        return self.df(x, self.expand(target, x)) / (x.size if self.average else 1)

    def expand(self, target: Any, x: Array) -> Any:
        """The target in the input's shape."""
        if target is not None and target.size not in (1, x.size):
            raise OracleError(f"{self.node}: input {x.shape} and target {target.shape} differ")
        return target.reshape(x.shape) if target is not None and target.size == x.size else target

    def f(self, x: Array, t: Any) -> Array:
        """The loss of each element."""
        raise NotImplementedError

    def df(self, x: Array, t: Any) -> Any:
        """Its derivative by x."""
        raise NotImplementedError


@op("nn.AbsCriterion")
class AbsCriterion(Elementwise):
    """|x - t|; the derivative at 0 is 1."""

    def f(self, x: Array, t: Any) -> Array:
        return np.abs(x - t)

    def df(self, x: Array, t: Any) -> Any:
        return np.where(x >= t, 1.0, -1.0)


@op("nn.MSECriterion")
class MSECriterion(Elementwise):
    """(x - t)²."""

    def f(self, x: Array, t: Any) -> Array:
        return np.square(x - t)

    def df(self, x: Array, t: Any) -> Any:
        return 2 * (x - t)


@op("nn.WeightedMSECriterion")
class WeightedMSECriterion(MSECriterion):
    """(x - w·t)²: the weight scales the target."""

    def expand(self, target: Any, x: Array) -> Any:
        return target.reshape(x.shape) * self.node.array("weight")


@op("nn.SpatialAutoCropMSECriterion")
class SpatialAutoCropMSECriterion(MSECriterion):
    """(x - t)² of the target's middle, as high and wide as the input."""

    def expand(self, target: Any, x: Array) -> Any:
        if target.ndim != x.ndim or x.ndim not in (3, 4) or target.shape < x.shape:
            raise OracleError(f"{self.node}: cannot crop the target {target.shape} to {x.shape}")
        corner = [(t - n) // 2 for t, n in zip(target.shape[-2:], x.shape[-2:], strict=True)]
        rows, columns = (slice(c, c + n) for c, n in zip(corner, x.shape[-2:], strict=True))
        return target[..., rows, columns]

    def slope(self, x: Array, target: Array) -> Any:
        if x.shape != target.shape:
            raise OracleError(f"{self.node}: Torch has no gradient where it crops the target")
        return super().slope(x, target)


@op("nn.SmoothL1Criterion")
class SmoothL1Criterion(Elementwise):
    """d²/2 for |d| < 1, else |d| - 1/2, of d = x - t."""

    def f(self, x: Array, t: Any) -> Array:
        d = np.abs(x - t)
        return np.where(d < 1, d * d / 2, d - 0.5)

    def df(self, x: Array, t: Any) -> Any:
        return np.clip(x - t, -1, 1)


@op("nn.BCECriterion")
class BCECriterion(Elementwise):
    """-(t log(x + eps) + (1-t) log(1 - x + eps)), weighted by feature; eps = 1e-12."""

    def f(self, x: Array, t: Any) -> Array:
        if (x < 0).any() or (x > 1).any():
            raise OracleError(f"{self.node}: input should be in [0, 1]")
        return self._weighted(-(np.log(x + 1e-12) * t + np.log(1 - x + 1e-12) * (1 - t)))

    def df(self, x: Array, t: Any) -> Any:
        return self._weighted(-(t - x) / ((1 - x + 1e-12) * (x + 1e-12)))

    def _weighted(self, values: Array) -> Array:
        return values if self.weights is None else values * self.weights


@op("nn.MultiLabelSoftMarginCriterion")
class MultiLabelSoftMarginCriterion(Elementwise):
    """log(1 + eˣ) - x·t, weighted by feature. Older files hold a sigmoid and a BCE that do it."""

    def setup(self) -> None:
        """The options are the inner criterion's where there is one."""
        super().setup()
        if "nll" in self.node.links:
            inner = self.env.build(self.node.links["nll"])
            assert isinstance(inner, Criterion)  # noqa: S101 - the class always holds one
            self.average, self.weights = inner.average, inner.weights

    def f(self, x: Array, t: Any) -> Array:
        values = np.logaddexp(0, x) - x * t
        return values if self.weights is None else values * self.weights

    def df(self, x: Array, t: Any) -> Any:
        values = 1 / (1 + np.exp(-x)) - t
        return values if self.weights is None else values * self.weights


@op("nn.DistKLDivCriterion")
class DistKLDivCriterion(Elementwise):
    """t (log t - x) where t > 0; the input is log-probabilities."""

    def f(self, x: Array, t: Any) -> Array:
        return np.where(t > 0, t * (np.log(np.where(t > 0, t, 1)) - x), 0)

    def df(self, x: Array, t: Any) -> Any:
        return np.where(t > 0, -t, 0)


@op("nn.SoftMarginCriterion")
class SoftMarginCriterion(Elementwise):
    """log(1 + exp(-x·t))."""

    def f(self, x: Array, t: Any) -> Array:
        return np.log(1 + np.exp(-x * t))

    def df(self, x: Array, t: Any) -> Any:
        z = np.exp(-x * t)
        return -t * z / (1 + z)


@op("nn.MarginCriterion")
class MarginCriterion(Elementwise):
    """max(0, margin - x·t)."""

    def f(self, x: Array, t: Any) -> Array:
        return np.maximum(0, self.margin - x * t)

    def df(self, x: Array, t: Any) -> Any:
        return np.where(x * t < self.margin, -t, 0)


@op("nn.HingeEmbeddingCriterion")
class HingeEmbeddingCriterion(Elementwise):
    """A distance where t = 1, max(0, margin - distance) where t = -1."""

    def f(self, x: Array, t: Any) -> Array:
        return np.where(t != -1, x, 0) + np.where(t != 1, np.maximum(0, self.margin - x), 0)

    def df(self, x: Array, t: Any) -> Any:
        return np.where((t == -1) & (x > self.margin), 0, t)


@op("nn.L1Cost")
class L1Cost(Elementwise):
    """|x|, summed; there is no target."""

    def setup(self) -> None:
        """It never averages."""
        super().setup()
        self.average = False

    def f(self, x: Array, t: Any) -> Array:
        return np.abs(x)

    def df(self, x: Array, t: Any) -> Any:
        return np.sign(x)
