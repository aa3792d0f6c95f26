"""Nonlinear conjugate gradients (Polak-Ribière) with cubic line searches, as Lua Torch's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepbird_v2.optimizers.closure import Closure

__all__ = ["CG"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class CG:
    """Minimizes a loss of a flat vector; every call starts anew.

    Attributes:
        max_iter: evaluations a line search.
        max_eval: evaluations a call, about; None: 1.25 times ``max_iter``.
        rho: share of the expected decrease that is enough.
        sig: share of the slope that may be left.
        interpolate: how near to an end of the bracket a trial may be.
        extrapolate: how far beyond the last trial the next may be.
        ratio: how much longer than the last a first trial may be.
    """

    max_iter: float = 20
    max_eval: float | None = None
    rho: float = 0.01
    sig: float = 0.5
    interpolate: float = 0.1
    extrapolate: float = 3.0
    ratio: float = 100.0

    def minimize(self, closure: Closure, x: Array) -> list[float]:
        """Change ``x`` in place.

        Args:
            closure: gives loss and gradient at a vector.
            x: where to start, and where the result is.

        Returns:
            Losses: at the start, and after each line search.
        """
        allowed = abs(1.25 * self.max_iter if self.max_eval is None else self.max_eval)
        search = _CubicSearch(closure, self)
        loss, grad = search.ask(x)
        losses = [loss]
        s = -grad
        slope = -float(s @ s)
        z = 1 / (1 - slope)
        while search.asked < allowed:
            before = x.copy()
            left = min(self.max_iter, allowed - search.asked - 1)
            found = search(x, s, _Spot(loss, slope, z), left)
            if found is None:
                x[:] = before
                break
            loss, new, z = found
            losses.append(loss)
            s = s * ((float(new @ new) - float(new @ grad)) / float(grad @ grad)) - new
            grad, last = new, slope
            slope = float(grad @ s)
            if slope > 0:
                s = -grad
                slope = -float(s @ s)
            z *= min(self.ratio, last / (slope - 1e-320))
        return losses


@dataclass(frozen=True)
class _Spot:
    loss: float
    slope: float
    z: float


class _CubicSearch:
    """Extrapolates and interpolates along a direction until Wolfe and Powell are content."""

    def __init__(self, closure: Closure, options: CG) -> None:
        self.closure = closure
        self.rho, self.sig = options.rho, options.sig
        self.int, self.ext = options.interpolate, options.extrapolate
        self.asked = 0

    def ask(self, x: Array) -> tuple[float, Array]:
        """Loss and a copy of the gradient."""
        self.asked += 1
        loss, grad = self.closure(x)
        return loss, grad.copy()

    def __call__(
        self, x: Array, s: Array, start: _Spot, left: float
    ) -> tuple[float, Array, float] | None:
        """(loss, gradient, step) where the search ends, ``x`` there; None if it fails."""
        f1, d1, z1 = start.loss, start.slope, start.z
        x += z1 * s
        f2, grad = self.ask(x)
        d2 = float(grad @ s)
        f3, d3, z3 = f1, d1, -z1
        limit = -1.0
        while True:
            while (f2 > f1 + z1 * self.rho * d1 or d2 > -self.sig * d1) and left > 0:
                limit = z1
                z2 = self._shrunk(f1, (f2, d2), (f3, d3, z3))
                z1 += z2
                x += z2 * s
                f2, grad = self.ask(x)
                left -= 1
                d2 = float(grad @ s)
                z3 -= z2
            if f2 > f1 + z1 * self.rho * d1 or d2 > -self.sig * d1:
                return None
            if d2 > self.sig * d1:
                return f2, grad, z1
            if left == 0:
                return None
            z2 = self._stretched(z1, (f2, d2), (f3, d3, z3), limit)
            f3, d3, z3 = f2, d2, -z2
            z1 += z2
            x += z2 * s
            f2, grad = self.ask(x)
            left -= 1
            d2 = float(grad @ s)

    def _shrunk(
        self, f1: float, two: tuple[float, float], three: tuple[float, float, float]
    ) -> float:
        """The next step inside the bracket: quadratic above the start, else cubic."""
        (f2, d2), (f3, d3, z3) = two, three
        if f2 > f1:
            z2 = z3 - _divided(0.5 * d3 * z3 * z3, d3 * z3 + f2 - f3)
        else:
            a, b = _cubic(two, three)
            z2 = _divided(_root(b * b - a * d2 * z3 * z3) - b, a)
        if not math.isfinite(z2):
            z2 = z3 / 2
        return max(min(z2, self.int * z3), (1 - self.int) * z3)

    def _stretched(
        self,
        z1: float,
        two: tuple[float, float],
        three: tuple[float, float, float],
        limit: float,
    ) -> float:
        """The next step beyond the bracket."""
        d2, z3, bounded = two[1], three[2], limit > -0.5
        a, b = _cubic(two, three)
        z2 = _divided(-d2 * z3 * z3, b + _root(b * b - a * d2 * z3 * z3))
        if not math.isfinite(z2) or z2 < 0:
            return (limit - z1) / 2 if bounded else z1 * (self.ext - 1)
        if bounded and z2 + z1 > limit:
            return (limit - z1) / 2
        if not bounded and z2 + z1 > z1 * self.ext:
            return z1 * (self.ext - 1)
        if z2 < -z3 * self.int:
            return -z3 * self.int
        if bounded and z2 < (limit - z1) * (1 - self.int):
            return (limit - z1) * (1 - self.int)
        return z2


def _cubic(two: tuple[float, float], three: tuple[float, float, float]) -> tuple[float, float]:
    (f2, d2), (f3, d3, z3) = two, three
    return 6 * (f2 - f3) / z3 + 3 * (d2 + d3), 3 * (f3 - f2) - z3 * (d3 + 2 * d2)


def _root(value: float) -> float:
    return math.sqrt(value) if value >= 0 else math.nan


def _divided(a: float, b: float) -> float:
    """Division; by zero it gives an infinity, or NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.float64(a) / np.float64(b))
