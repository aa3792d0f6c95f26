"""``optim.cg``: nonlinear conjugate gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from verify.oracle.base import Array

__all__ = ["cg"]

OpFunc: TypeAlias = Callable[[Array], tuple[float, Array]]


def cg(opfunc: OpFunc, x: Array, config: Mapping[str, Any], state: dict[str, Any]) -> list[float]:
    """``optim.cg``: Polak-Ribière with cubic line searches; every call starts anew."""
    most = float(config.get("maxIter", 20))
    allowed = abs(float(config.get("maxEval", most * 1.25)))
    ratio = float(config.get("ratio", 100))
    search = _CubicSearch(opfunc, config)
    loss, grad = search.ask(x)
    history = [loss]
    s = -grad
    slope = -float(s @ s)
    z = 1 / (1 - slope)
    while search.asked < allowed:
        before = x.copy()
        found = search(x, s, _Spot(loss, slope, z), min(most, allowed - search.asked - 1))
        if found is None:  # Torch means to try the steepest descent once, but never does
            x[:] = before
            break
        loss, steeper, z = found
        history.append(loss)
        s = s * ((float(steeper @ steeper) - float(steeper @ grad)) / float(grad @ grad)) - steeper
        grad, last = steeper, slope
        slope = float(grad @ s)
        if slope > 0:
            s = -grad
            slope = -float(s @ s)
        z *= min(ratio, last / (slope - 1e-320))
    state |= {"df1": grad, "s": s}
    return history


@dataclass(frozen=True)
class _Spot:
    loss: float
    slope: float
    z: float


class _CubicSearch:
    """Extrapolates and interpolates along a direction until Wolfe and Powell are content."""

    def __init__(self, opfunc: OpFunc, config: Mapping[str, Any]) -> None:
        self.opfunc = opfunc
        self.rho, self.sig = float(config.get("rho", 0.01)), float(config.get("sig", 0.5))
        self.int, self.ext = float(config.get("int", 0.1)), float(config.get("ext", 3.0))
        self.asked = 0

    def ask(self, x: Array) -> tuple[float, Array]:
        """Loss and a copy of the gradient."""
        self.asked += 1
        loss, grad = self.opfunc(x)
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
    """As Lua divides: by zero gives an infinity, or NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.float64(a) / np.float64(b))
