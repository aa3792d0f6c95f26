"""The noise floor: how far v1 is from itself, so that a difference can be read as a ratio to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from verify.compare.values import Array
from verify.verdict import Check, Stage, Status


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """Largest absolute difference of v1 from itself, by source, in units of the value.

    Attributes:
        sources: For example {"float64": 3e-8, "repeat": 0.0, "batch of 1": 6e-8, "2 threads": 0.0}.
    """

    sources: Mapping[str, float]

    @property
    def value(self) -> float:
        """The largest of all sources; 0 without any."""
        return max(self.sources.values(), default=0.0)

    def ratio(self, difference: float) -> float:
        """Return a difference as a multiple of the floor; infinite over a floor of 0."""
        if difference == 0.0:
            return 0.0
        return difference / self.value if self.value else float("inf")

    def check(self, name: str, allowed: float) -> Check:
        """Judge whether a tolerance can be tested at all: not if v1's own noise is above it.

        Args:
            name: What was measured.
            allowed: The tolerance there, in units of the value.
        """
        detail = f"v1's own noise is {self.value:.3g}, {allowed:.3g} is allowed"
        conclusive = self.value <= allowed
        status = Status.PASS if conclusive else Status.INCONCLUSIVE
        return Check(name, Stage.NOISE, status, detail, dict(self.sources))


def noise_floor(v1: Array, others: Mapping[str, Array]) -> NoiseFloor:
    """Measure v1 against other runs of itself.

    Args:
        v1: v1's outputs, any shape.
        others: Source of noise → outputs of the same shape: a float64 reference, a repeat, another
            batch composition, another number of threads.

    Raises:
        ValueError: A shape differs.
    """
    sources: dict[str, float] = {}
    for name, other in others.items():
        if other.shape != v1.shape:
            raise ValueError(f"noise source {name!r} has shape {other.shape}, v1 {v1.shape}")
        finite = np.isfinite(v1) & np.isfinite(other)
        apart = np.abs(v1[finite].astype(np.float64) - other[finite].astype(np.float64))
        sources[name] = float(apart.max(initial=0.0))
    return NoiseFloor(sources)
