"""The distribution of one feature's values in bounded memory, the same whatever the order.

A sketch maps order keys (see `deepbird_v2.discretizers.order`) to weights. While there are no more
distinct keys than its capacity it is exact. Beyond that it drops low bits of the keys, as few as
make the rest fit: ``level`` bits are dropped, so a bucket holds floats that agree in their leading
``64 - level`` bits. How many have to go depends on the set of values alone: a subset never needs
more. So neither order, batches nor shards change the result, not in a single bit.

Each bucket keeps the smallest value that fell into it, so every edge taken from a sketch is a value
that occurred. Weights are integers, multiples of 2**-20, because sums of integers have no order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepbird_v2.discretizers.errors import CalibrationDataError
from deepbird_v2.discretizers.order import INFINITY_KEY

__all__ = ["WEIGHT_UNITS", "Sketch", "weight_units"]

Array = np.ndarray[Any, Any]

WEIGHT_UNITS = 1 << 20
_MOST_UNITS = 1 << 62
_KEY_BITS = 64


@dataclass(eq=False)
class Sketch:
    """Weights by value; NaN is counted aside.

    Attributes:
        capacity: most buckets.
        lows: int64[n] ascending: the smallest order key in each bucket.
        weights: int64[n, classes], in units of 2**-20.
        missing: int64[classes], the weight of NaN.
        level: low bits of keys that do not count.
    """

    capacity: int
    classes: int = 1
    lows: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    weights: Array = field(default_factory=lambda: np.zeros((0, 1), np.int64))
    missing: Array = field(default_factory=lambda: np.zeros(1, np.int64))
    level: int = 0

    def __post_init__(self) -> None:
        if not len(self.lows):
            self.weights = np.zeros((0, self.classes), np.int64)
        if len(self.missing) != self.classes:
            self.missing = np.zeros(self.classes, np.int64)

    @property
    def total(self) -> int:
        """Weight of all values that are numbers, in units."""
        return int(self.weights.sum())

    @property
    def error(self) -> float:
        """The largest share of the weight by which an edge's rank can be off; 0 if exact."""
        if not self.level or not self.total:
            return 0.0
        return float(self.weights.sum(axis=1).max()) / self.total

    @property
    def sound(self) -> bool:
        """Whether values can have made it; for one that was read from a file."""
        lows, level = self.lows, self.level
        if not 0 <= level < _KEY_BITS or len(lows) > self.capacity:
            return False
        buckets = lows >> level
        return bool(
            (buckets[1:] > buckets[:-1]).all()
            and (np.abs(lows) <= INFINITY_KEY).all()
            and (self.weights >= 0).all()
            and (self.missing >= 0).all()
            and not _exceeds(_MOST_UNITS, self.weights, self.missing)
        )

    def add(self, lows: Array, weights: Array, missing: Array | None = None) -> None:
        """Add values.

        Args:
            lows: int64[n] order keys of numbers.
            weights: int64[n, classes] units.
            missing: int64[m, classes], the weights of NaNs.

        Raises:
            CalibrationDataError: all weights together exceed what int64 holds; nothing was added.
        """
        lows = np.concatenate([self.lows, lows])
        weights = np.concatenate([self.weights, weights])
        gone = np.concatenate([self.missing[np.newaxis], *([] if missing is None else [missing])])
        if _exceeds(_MOST_UNITS, weights, gone):
            raise CalibrationDataError(
                f"a feature's weights add up to more than {_MOST_UNITS / WEIGHT_UNITS:.3g}; "
                "scale them down"
            )
        self.missing = gone.sum(axis=0)
        order = np.argsort(lows, kind="stable")
        self.lows, self.weights = _pooled(lows[order], weights[order], self.level)
        while len(self.lows) > self.capacity:
            self.level += 1
            self.lows, self.weights = _pooled(self.lows, self.weights, self.level)

    def merge(self, other: Sketch) -> None:
        """Add another sketch of the same capacity and number of classes."""
        before, self.level = self.level, max(self.level, other.level)
        try:
            self.add(other.lows, other.weights, other.missing[np.newaxis])
        except CalibrationDataError:
            self.level = before
            raise


def weight_units(weights: Array) -> Array:
    """Weights as int64 multiples of 2**-20, each rounded to the nearest.

    Raises:
        CalibrationDataError: a weight is negative, not finite, or too large.
    """
    weights = np.asarray(weights, np.float64)
    if not (np.isfinite(weights) & (weights >= 0) & (weights < 2.0**40)).all():
        raise CalibrationDataError("weights must be numbers from 0 up to 2**40")
    return np.rint(weights * WEIGHT_UNITS).astype(np.int64)


def _exceeds(limit: int, *weights: Array) -> bool:
    """Whether all weights together are more than a limit; exact, so no order changes the answer."""
    # First in float64, which grows where integers would wrap around.
    rough = sum(float(column.sum(dtype=np.float64)) for column in weights)
    return rough > 1.5 * limit or sum(int(column.sum()) for column in weights) > limit


def _pooled(lows: Array, weights: Array, level: int) -> tuple[Array, Array]:
    """Join neighbours of one bucket; ``lows`` ascend."""
    if not len(lows):
        return lows, weights
    bucket = lows >> level
    starts = np.flatnonzero(np.append(True, bucket[1:] != bucket[:-1]))
    if len(starts) == len(lows):
        return lows, weights
    return lows[starts], np.add.reduceat(weights, starts, axis=0)
