"""Limited-memory BFGS that may be called batch after batch, as Lua Torch's."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from deepbird_v2.optimizers.closure import Closure
from deepbird_v2.optimizers.line_search import StrongWolfe

__all__ = ["LBFGS"]

Array = np.ndarray[Any, Any]


class LBFGS:
    """Minimizes a loss of a flat vector; what it knows of the curvature outlives a call.

    Args:
        learning_rate: step length where no line search finds one.
        max_iter: iterations a call.
        max_eval: evaluations after which a call ends; None: 1.25 an iteration.
        tol_fun: ends where the absolute gradients sum up to no more.
        tol_x: ends where steps or losses change by no more.
        n_correction: steps to remember.
        line_search: None for steps of fixed length.

    Attributes:
        iterations: in all calls.
        evaluations: in all calls.
        history: (step, change of the gradient) of the remembered steps, oldest first.
        scale: of the initial Hessian's inverse.
        direction: of the last step.
        length: of the last step, in units of its direction.
        gradient: before the last step.
    """

    def __init__(
        self,
        learning_rate: float = 1.0,
        max_iter: int = 20,
        max_eval: float | None = None,
        tol_fun: float = 1e-5,
        tol_x: float = 1e-9,
        n_correction: int = 100,
        line_search: StrongWolfe | None = None,
    ) -> None:
        self.learning_rate, self.max_iter = float(learning_rate), int(max_iter)
        self.max_eval = 1.25 * self.max_iter if max_eval is None else float(max_eval)
        self.tol_fun, self.tol_x = float(tol_fun), float(tol_x)
        self.line_search = line_search
        self.iterations = self.evaluations = 0
        self.history: deque[tuple[Array, Array]] = deque(maxlen=int(n_correction))
        self.scale, self.length = 1.0, 1.0
        self.direction: Array | None = None
        self.gradient: Array | None = None

    def minimize(self, closure: Closure, x: Array) -> list[float]:
        """Change ``x`` in place.

        Args:
            closure: gives loss and gradient at a vector.
            x: where to start, and where the result is.

        Returns:
            Losses, the first of them at the start.
        """
        loss, grad = closure(x)
        losses, asked = [loss], 1
        self.evaluations += 1
        if np.abs(grad).sum() <= self.tol_fun:
            return losses
        for left in reversed(range(self.max_iter)):
            self._turn(grad)
            assert self.direction is not None  # noqa: S101 - _turn has just set it
            slope, before = float(grad @ self.direction), loss
            if slope > -self.tol_x:
                break
            self.length = self.learning_rate
            if self.iterations == 1:
                self.length *= min(1.0, 1.0 / float(np.abs(grad).sum()))
            loss, grad, new = self._move(
                closure, x, loss, grad, slope, first=asked == 1, last=not left
            )
            if new or self.line_search is not None:
                losses.append(loss)
            asked += new
            self.evaluations += new
            if not left or asked >= self.max_eval or self._settled(grad, loss - before):
                break
        return losses

    def _turn(self, grad: Array) -> None:
        """Learn from the last step, and choose the next direction."""
        self.iterations += 1
        if self.direction is None or self.gradient is None:
            self.direction = -grad
        else:
            change, moved = grad - self.gradient, self.direction * self.length
            curvature = float(change @ moved)
            if curvature > 1e-10:
                self.history.append((moved, change))
                self.scale = curvature / float(change @ change)
            self.direction = self._descent(grad)
        self.gradient = grad.copy()

    def _descent(self, grad: Array) -> Array:
        """Minus the inverse Hessian times the gradient."""
        q, passed = -grad, []
        for moved, change in reversed(self.history):
            inverse = 1 / float(change @ moved)
            share = float(moved @ q) * inverse
            q = q - share * change
            passed.append((moved, change, inverse, share))
        r = q * self.scale
        for moved, change, inverse, share in reversed(passed):
            r = r + (share - float(change @ r) * inverse) * moved
        return r

    def _move(
        self,
        closure: Closure,
        x: Array,
        loss: float,
        grad: Array,
        slope: float,
        *,
        first: bool,
        last: bool,
    ) -> tuple[float, Array, int]:
        """Step along the direction: loss and gradient there, and how often they were asked."""
        assert self.direction is not None  # noqa: S101 - there is one before the first step
        if self.line_search is not None:
            found = self.line_search(
                closure, x, self.direction, self.length, loss, grad, slope, overwritten=first
            )
            self.length = found.length
            return found.loss, found.gradient, found.evaluations
        x += self.length * self.direction
        if last:  # nobody would look at what it gives
            return loss, grad, 0
        loss, grad = closure(x)
        return loss, grad, 1

    def _settled(self, grad: Array, change: float) -> bool:
        assert self.direction is not None  # noqa: S101 - a step was made
        return bool(
            np.abs(grad).sum() <= self.tol_fun
            or np.abs(self.direction * self.length).sum() <= self.tol_x
            or abs(change) < self.tol_x
        )
