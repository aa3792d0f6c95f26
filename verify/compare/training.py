"""How far two trainings drift apart, and how far rounding alone would have taken them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from migrate.flat import FlatLayout

__all__ = ["FACTOR", "Envelope", "Leak", "Record", "drift", "first_leak"]

Array = np.ndarray[Any, Any]

# Honest runs stay within 3.1 times what a handful of perturbed runs of v1 show (every recorded
# case, oracle and TensorFlow); a wrong option is off by thousands.
FACTOR = 8.0
# What a loss may be off by beyond the envelope, relative: a few roundings of the mean.
LOSS = {4: 1e-6, 8: 1e-12}


def drift(a: Array, b: Array) -> float:
    """The largest difference; NaN is equal to NaN, and infinitely far from anything else."""
    if a.shape != b.shape:
        return float("inf")
    if not a.size:
        return 0.0
    with np.errstate(invalid="ignore"):
        off = np.abs(a.astype(np.float64) - b.astype(np.float64))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return float(np.where(same, 0.0, np.where(np.isnan(off), np.inf, off)).max())


def scale(a: Array) -> float:
    """One unit in the last place of the largest element."""
    finite = np.abs(a[np.isfinite(a)])
    return float(np.spacing(finite.max())) if finite.size else 0.0


@dataclass
class Envelope:
    """How far runs that differ in rounding only have come apart so far.

    Attributes:
        layout: of the flat vectors.
        loss: of the losses.
        params: of each parameter, in the layout's order.
    """

    layout: FlatLayout
    loss: float = 0.0
    params: list[float] = field(default_factory=list)

    def widen(self, x: Array, loss: float, runs: Iterable[tuple[Array, float]]) -> None:
        """Take in a step.

        Args:
            x: flat vector of the undisturbed run.
            loss: its loss.
            runs: (flat vector, loss) of the perturbed runs.
        """
        own = self.layout.split(x)
        self.params = self.params or [0.0] * len(own)
        for vector, value in runs:
            self.loss = max(self.loss, abs(value - loss))
            for i, (a, b) in enumerate(zip(own, self.layout.split(vector), strict=True)):
                self.params[i] = max(self.params[i], drift(a, b))

    def allowed(self, x: Array) -> list[float]:
        """What each parameter may be off by."""
        own = self.layout.split(x)
        return [FACTOR * (env + scale(a)) for env, a in zip(self.params, own, strict=True)]

    def allowed_loss(self, loss: float, dtype: np.dtype[Any]) -> float:
        """What the loss may be off by."""
        return FACTOR * self.loss + LOSS[dtype.itemsize] * abs(loss)


@dataclass(frozen=True)
class Record:
    """One step of two trainings.

    Attributes:
        step: from 1.
        error: of each item (a loss, or every parameter), between the two.
        allowed: of each.
        names: of the items.
    """

    step: int
    error: Sequence[float]
    allowed: Sequence[float]
    names: Sequence[str]

    def ratios(self) -> list[float]:
        """Each error as a multiple of what is allowed."""
        tiny = float(np.finfo(np.float64).tiny)
        return [
            error / max(limit, tiny) for error, limit in zip(self.error, self.allowed, strict=True)
        ]

    @classmethod
    def of(
        cls, step: int, layout: FlatLayout, a: Array, b: Array, allowed: Sequence[float]
    ) -> Self:
        """The record of two flat vectors."""
        pairs = zip(layout.split(a), layout.split(b), strict=True)
        return cls(step, [drift(x, y) for x, y in pairs], allowed, layout.paths)


@dataclass(frozen=True)
class Leak:
    """Where two trainings first leave the envelope.

    Attributes:
        step: from 1.
        name: of the parameter that is furthest out.
        error: how far the two are apart.
        allowed: how far they might be.
        others: how many more parameters are out at this step.
    """

    step: int
    name: str
    error: float
    allowed: float
    others: int


def first_leak(records: Iterable[Record]) -> Leak | None:
    """The first step beyond the envelope, and its worst item; None if there is none."""
    for record in records:
        ratios = record.ratios()
        out = [i for i, ratio in enumerate(ratios) if ratio > 1]
        if out:
            worst = max(out, key=lambda i: ratios[i])
            return Leak(
                record.step,
                record.names[worst],
                record.error[worst],
                record.allowed[worst],
                len(out) - 1,
            )
    return None
