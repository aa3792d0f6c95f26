"""A line search for the strong Wolfe conditions, with cubic steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from deepbird_v2.optimizers.closure import Closure

__all__ = ["Found", "StrongWolfe", "lowest_of_cubic"]

Array = np.ndarray[Any, Any]
Point: TypeAlias = tuple[float, float, float]  # place, value, slope


@dataclass(frozen=True)
class Found:
    """Where a search ended.

    Attributes:
        length: of the step, in units of the direction.
        loss: there.
        gradient: there.
        evaluations: how often loss and gradient were asked for.
    """

    length: float
    loss: float
    gradient: Array
    evaluations: int = 0


@dataclass(frozen=True)
class StrongWolfe:
    """Brackets a step, then narrows the bracket.

    Attributes:
        decrease: share of the expected decrease that is enough (c1).
        curvature: share of the slope that may be left (c2).
        tol_x: smallest bracket.
        max_iter: trials.
    """

    decrease: float = 1e-4
    curvature: float = 0.9
    tol_x: float = 1e-9
    max_iter: int = 20

    def __call__(
        self,
        closure: Closure,
        x: Array,
        direction: Array,
        length: float,
        loss: float,
        gradient: Array,
        slope: float,
        overwritten: bool = False,
    ) -> Found:
        """Search along ``direction``; ``x`` moves there.

        Args:
            closure: gives loss and gradient at a vector.
            x: the start.
            direction: a direction of descent.
            length: of the first trial.
            loss: at the start.
            gradient: at the start.
            slope: gradient times direction at the start, negative.
            overwritten: as in Torch where the closure always fills the same buffer: the bracket
                holds the first trial's gradient in place of the start's.
        """
        line = _Line(closure, x, direction, gradient.copy(), overwritten)
        bracket, done = self._bracket(line, loss, length, slope)
        if not done:
            self._narrow(line, bracket, loss, slope)
        best = min(bracket, key=lambda trial: trial.loss)
        line.go(best.length)
        return Found(best.length, best.loss, best.gradient, line.asked)

    def _bracket(
        self, line: _Line, loss: float, length: float, slope: float
    ) -> tuple[list[Found], bool]:
        """Two trials with a good step between them; or one good step."""
        new = line.ask(length)
        last, before = line.origin(loss, new), slope
        for line.rounds in range(self.max_iter):
            turned = line.slope(new)
            high = new.loss > loss + self.decrease * new.length * slope
            high = high or (line.rounds > 1 and new.loss >= last.loss)
            if not high and abs(turned) <= -self.curvature * slope:
                return [new], True
            if high or turned >= 0:
                return [last, new], False
            bounds = (new.length + 0.01 * (new.length - last.length), new.length * 10)
            step = lowest_of_cubic((last.length, last.loss, before), line.point(new), bounds)
            last, before, new = new, turned, line.ask(step)
        line.rounds = self.max_iter
        return [line.origin(loss, new), new], False

    def _narrow(self, line: _Line, bracket: list[Found], loss: float, slope: float) -> None:
        """Try inside the bracket until a trial is good, or the bracket is nothing."""
        stalled = False
        while line.rounds < self.max_iter:
            low, high = sorted(trial.length for trial in bracket)
            step = lowest_of_cubic(line.point(bracket[0]), line.point(bracket[1]))
            step, stalled = _inside(step, low, high, stalled)
            best = 0 if bracket[0].loss <= bracket[1].loss else 1
            new = line.ask(step)
            line.rounds += 1
            turned, done = line.slope(new), False
            if new.loss > loss + self.decrease * step * slope or new.loss >= bracket[best].loss:
                bracket[1 - best] = new
            else:
                done = abs(turned) <= -self.curvature * slope
                if not done and turned * (bracket[1 - best].length - bracket[best].length) >= 0:
                    bracket[1 - best] = bracket[best]
                bracket[best] = new
            width = abs((bracket[0].length - bracket[1].length) * turned)
            if done or width < self.tol_x:
                return


class _Line:
    """The loss along a direction."""

    def __init__(
        self, closure: Closure, x: Array, direction: Array, gradient: Array, overwritten: bool
    ) -> None:
        self.closure, self.x, self.direction = closure, x, direction
        self.start, self.gradient, self.overwritten = x.copy(), gradient, overwritten
        self.asked = self.rounds = 0

    def go(self, length: float) -> None:
        """Put x there."""
        self.x[:] = self.start
        self.x += length * self.direction

    def ask(self, length: float) -> Found:
        """Loss and gradient there."""
        self.go(length)
        self.asked += 1
        loss, gradient = self.closure(self.x)
        return Found(length, loss, gradient.copy())

    def origin(self, loss: float, last: Found) -> Found:
        """The start as a trial, with the gradient that its buffer holds after ``last``."""
        return Found(0.0, loss, last.gradient if self.overwritten else self.gradient)

    def slope(self, trial: Found) -> float:
        """Of the loss along the direction."""
        return float(trial.gradient @ self.direction)

    def point(self, trial: Found) -> Point:
        """For interpolation."""
        return trial.length, trial.loss, self.slope(trial)


def _inside(t: float, low: float, high: float, stalled: bool) -> tuple[float, bool]:
    """A trial that is not too close to an end of the bracket twice in a row."""
    width = high - low
    if width and min(high - t, t - low) / width >= 0.1:
        return t, False
    if not (stalled or t >= high or t <= low):
        return t, True
    return (high - 0.1 * width if abs(t - high) < abs(t - low) else low + 0.1 * width), False


def lowest_of_cubic(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
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
