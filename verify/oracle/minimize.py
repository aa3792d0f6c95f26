"""Torch's full-batch minimizers: ``optim.lbfgs``, its line search ``lswolfe``, and ``optim.cg``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from verify.oracle.base import Array, OracleError

__all__ = ["cg", "lbfgs", "lswolfe", "polyinterp"]

OpFunc: TypeAlias = Callable[[Array], tuple[float, Array]]
Point: TypeAlias = tuple[float, float, float]  # place, value, slope


# --- lbfgs ----------------------------------------------------------------------------------------


def lbfgs(
    opfunc: OpFunc, x: Array, config: Mapping[str, Any], state: dict[str, Any]
) -> list[float]:
    """``optim.lbfgs``, with a fixed step or ``lineSearch = "optim.lswolfe"``."""
    most = int(config.get("maxIter", 20))
    most_evaluations = float(config.get("maxEval", most * 1.25))
    tol_fun, tol_x = float(config.get("tolFun", 1e-5)), float(config.get("tolX", 1e-9))
    rate, search = float(config.get("learningRate", 1.0)), _line_search(config)
    loss, grad = opfunc(x)
    history, evaluations = [loss], 1
    state["funcEval"] = state.get("funcEval", 0) + 1
    if np.abs(grad).sum() <= tol_fun:
        return history
    for n in range(1, most + 1):
        state["nIter"] = state.get("nIter", 0) + 1
        if state["nIter"] == 1:
            state |= {"d": -grad, "old_dirs": [], "old_stps": [], "Hdiag": 1.0}
        else:
            _remember(grad, state, int(config.get("nCorrection", 100)))
            state["d"] = _direction(grad, state)
        d, before = state["d"], loss
        state |= {"g_old": grad.copy(), "f_old": loss}
        slope = float(grad @ d)
        if slope > -tol_x:
            break
        first = state["nIter"] == 1
        t = min(1.0, 1.0 / float(np.abs(grad).sum())) * rate if first else rate
        asked = 0
        if search is not None:
            options = config.get("lineSearchOptions") or {}
            loss, grad, t, asked = search(opfunc, x, t, d, loss, grad, slope, options)
            history.append(loss)
        else:
            x += t * d
            if n != most:
                loss, grad = opfunc(x)
                asked = 1
                history.append(loss)
        state["t"] = t
        evaluations += asked
        state["funcEval"] += asked
        if (
            n == most
            or evaluations >= most_evaluations
            or np.abs(grad).sum() <= tol_fun
            or np.abs(d * t).sum() <= tol_x
            or abs(loss - before) < tol_x
        ):
            break
    return history


def _line_search(config: Mapping[str, Any]) -> Callable[..., Any] | None:
    named = config.get("lineSearch")
    if named is None:
        return None
    if str(named).removeprefix("optim.") != "lswolfe":
        raise OracleError(f"optim.lbfgs: the only line search is optim.lswolfe, not {named!r}")
    return lswolfe


def _remember(grad: Array, state: dict[str, Any], most: int) -> None:
    """Keep the last step and change of gradient where they curve upwards."""
    change, moved = grad - state["g_old"], state["d"] * state["t"]
    curvature = float(change @ moved)
    if curvature <= 1e-10:
        return
    state["old_dirs"] = [*state["old_dirs"], moved][-most:]
    state["old_stps"] = [*state["old_stps"], change][-most:]
    state["Hdiag"] = curvature / float(change @ change)


def _direction(grad: Array, state: dict[str, Any]) -> Array:
    """The two-loop recursion."""
    pairs = list(zip(state["old_dirs"], state["old_stps"], strict=True))
    inverse = [1 / float(change @ moved) for moved, change in pairs]
    q, share = -grad, [0.0] * len(pairs)
    for i in reversed(range(len(pairs))):
        moved, change = pairs[i]
        share[i] = float(moved @ q) * inverse[i]
        q = q - share[i] * change
    r: Array = q * state["Hdiag"]
    for i, (moved, change) in enumerate(pairs):
        r = r + (share[i] - float(change @ r) * inverse[i]) * moved
    return r


# --- the line search ------------------------------------------------------------------------------


@dataclass
class _Trial:
    t: float
    loss: float
    grad: Array


def lswolfe(
    opfunc: OpFunc,
    x: Array,
    t: float,
    d: Array,
    loss: float,
    grad: Array,
    slope: float,
    options: Mapping[str, Any],
) -> tuple[float, Array, float, int]:
    """A step along ``d`` that satisfies the strong Wolfe conditions; ``x`` ends there.

    Returns:
        (loss, gradient, step length, evaluations).
    """
    c1, c2 = float(options.get("c1", 1e-4)), float(options.get("c2", 0.9))
    tol, most = float(options.get("tolX", 1e-9)), int(options.get("maxIter", 20))
    start, asked = x.copy(), 0

    def attempt(t: float) -> _Trial:
        nonlocal asked
        asked += 1
        x[:] = start
        x[:] += t * d
        value, g = opfunc(x)
        return _Trial(t, value, g.copy())

    def point(trial: _Trial) -> Point:
        return trial.t, trial.loss, float(trial.grad @ d)

    last, new, rounds = _Trial(0.0, loss, grad.copy()), attempt(t), 0
    bracket, done = [_Trial(0.0, loss, grad.copy()), new], False
    while rounds < most:
        turned = float(new.grad @ d)
        too_high = new.loss > loss + c1 * new.t * slope or (rounds > 1 and new.loss >= last.loss)
        if not too_high and abs(turned) <= -c2 * slope:
            bracket, done = [new], True
            break
        if too_high or turned >= 0:
            bracket = [last, new]
            break
        low, high = new.t + 0.01 * (new.t - last.t), new.t * 10
        last, new = new, attempt(polyinterp(point(last), point(new), (low, high)))
        rounds += 1
        bracket = [_Trial(0.0, loss, grad.copy()), new]
    stalled = False
    while not done and rounds < most:
        lowest = 0 if bracket[0].loss <= bracket[1].loss else 1
        low, high = sorted(trial.t for trial in bracket)
        t, stalled = _inside(polyinterp(*map(point, bracket)), low, high, stalled)
        new = attempt(t)
        rounds += 1
        turned, other = float(new.grad @ d), 1 - lowest
        if new.loss > loss + c1 * t * slope or new.loss >= bracket[lowest].loss:
            bracket[other] = new
        else:
            if abs(turned) <= -c2 * slope:
                done = True
            elif turned * (bracket[other].t - bracket[lowest].t) >= 0:
                bracket[other] = bracket[lowest]
            bracket[lowest] = new
        if not done and abs((bracket[0].t - bracket[1].t) * turned) < tol:
            break
    best = min(bracket, key=lambda trial: trial.loss)
    x[:] = start
    x[:] += best.t * d
    return best.loss, best.grad, best.t, asked


def _inside(t: float, low: float, high: float, stalled: bool) -> tuple[float, bool]:
    """A trial that is not too close to an end of the bracket twice in a row."""
    width = high - low
    if width and min(high - t, t - low) / width >= 0.1:
        return t, False
    if not (stalled or t >= high or t <= low):
        return t, True
    return (high - 0.1 * width if abs(t - high) < abs(t - low) else low + 0.1 * width), False


def polyinterp(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two points with their slopes is lowest.

    Args:
        a: (place, value, slope).
        b: the other point.
        bounds: where to look; None: between the points.
    """
    if bounds is None:
        near, far = (a, b) if a[0] <= b[0] else (b, a)
        d1 = near[2] + far[2] - 3 * (near[1] - far[1]) / (near[0] - far[0])
        square = d1 * d1 - near[2] * far[2]
        if not square >= 0:
            return (a[0] + b[0]) / 2
        d2 = math.sqrt(square)
        share = (far[2] + d2 - d1) / (far[2] - near[2] + 2 * d2)
        return min(max(far[0] - (far[0] - near[0]) * share, near[0]), far[0])
    system = [[p[0] ** 3, p[0] ** 2, p[0], 1.0] for p in (a, b)]
    system += [[3 * p[0] ** 2, 2 * p[0], 1.0, 0.0] for p in (a, b)]
    cubic = np.linalg.lstsq(np.array(system), np.array([a[1], b[1], a[2], b[2]]))[0]
    cubic[np.abs(cubic) <= 1e-12] = 0
    slopes = np.polyder(cubic)
    low, high = bounds
    places = [low, high, a[0], b[0]]
    if np.isfinite(slopes).all():
        places += [float(root.real) for root in np.roots(slopes) if root.imag == 0]
    best, lowest = (low + high) / 2, math.inf
    for place in places:
        value = float(np.polyval(cubic, place))
        if low <= place <= high and value < lowest:
            best, lowest = place, value
    return best


# --- cg -------------------------------------------------------------------------------------------


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
