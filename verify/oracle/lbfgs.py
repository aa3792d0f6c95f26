"""``optim.lbfgs`` and its line search ``optim.lswolfe``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from verify.oracle.base import Array, OracleError

__all__ = ["lbfgs", "lswolfe", "polyinterp"]

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
            loss, grad, t, asked = search(opfunc, x, t, d, loss, grad, slope, options, n == 1)
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
    slope: float


def lswolfe(
    opfunc: OpFunc,
    x: Array,
    t: float,
    d: Array,
    loss: float,
    grad: Array,
    slope: float,
    options: Mapping[str, Any],
    overwritten: bool = False,
) -> tuple[float, Array, float, int]:
    """A step along ``d`` that satisfies the strong Wolfe conditions; ``x`` ends there.

    Args:
        opfunc: as for the methods.
        x: where the search starts.
        t: first step length.
        d: direction.
        loss: at the start.
        grad: at the start.
        slope: ``grad @ d``.
        options: ``c1``, ``c2``, ``tolX``, ``maxIter``.
        overwritten: ``grad`` is the model's own buffer, as in the first search of a call of
            ``optim.lbfgs``: Torch copies it when the first trial has already filled it anew, so
            the bracket holds the trial's gradient in place of the start's.

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
        return _Trial(t, value, g.copy(), float(g @ d))

    def point(trial: _Trial) -> Point:
        return trial.t, trial.loss, float(trial.grad @ d)

    def origin() -> _Trial:
        return _Trial(0.0, loss, new.grad if overwritten else grad.copy(), slope)

    new, rounds = attempt(t), 0
    last, done = origin(), False
    bracket = [last, new]
    while rounds < most:
        turned = new.slope
        too_high = new.loss > loss + c1 * new.t * slope or (rounds > 1 and new.loss >= last.loss)
        if not too_high and abs(turned) <= -c2 * slope:
            bracket, done = [new], True
            break
        if too_high or turned >= 0:
            bracket = [last, new]
            break
        low, high = new.t + 0.01 * (new.t - last.t), new.t * 10
        before, here = (last.t, last.loss, last.slope), (new.t, new.loss, new.slope)
        last, new = new, attempt(polyinterp(before, here, (low, high)))
        rounds += 1
        bracket = [origin(), new]
    stalled = False
    while not done and rounds < most:
        lowest = 0 if bracket[0].loss <= bracket[1].loss else 1
        low, high = sorted(trial.t for trial in bracket)
        t, stalled = _inside(polyinterp(point(bracket[0]), point(bracket[1])), low, high, stalled)
        new = attempt(t)
        rounds += 1
        turned, other = new.slope, 1 - lowest
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
        d1 = near[2] + far[2] - 3 * _divided(near[1] - far[1], near[0] - far[0])
        square = d1 * d1 - near[2] * far[2]
        if not square >= 0:
            return (a[0] + b[0]) / 2
        d2 = math.sqrt(square)
        share = _divided(far[2] + d2 - d1, far[2] - near[2] + 2 * d2)
        lowest = far[0] - (far[0] - near[0]) * share
        # LuaJIT's math.max of NaN and a number is the number.
        return near[0] if math.isnan(lowest) else min(max(lowest, near[0]), far[0])
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


def _divided(a: float, b: float) -> float:
    """Division; by zero it gives an infinity, or NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.float64(a) / np.float64(b))
