"""Fitting the isotonic map: weighted pooling of adjacent violators, then bins of equal size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from deepbird_v2.calibration import file
from deepbird_v2.calibration.isotonic import CalibrationError, check_points
from deepbird_v2.discretizers.native import core

__all__ = ["IsotonicCalibrator", "isotonic_points", "isotonic_regression"]

Array = np.ndarray[Any, Any]


def isotonic_regression(y: Array, weights: Array | None = None) -> Array:
    """The ascending sequence nearest to ``y`` in weighted squares.

    Each of its blocks is the weighted mean of what was pooled in it, so it can be recomputed.

    Args:
        y: float64[n] in the order of the scores.
        weights: [n], not negative; default 1. Where all weights of a block are 0 its mean is that
            of the unweighted values.

    Returns:
        float64[n] ascending.

    Raises:
        CalibrationError: lengths differ, or something is not finite or negative.
    """
    y = np.ascontiguousarray(y, np.float64)
    w = np.ones(len(y)) if weights is None else np.ascontiguousarray(weights, np.float64)
    if y.ndim != 1 or y.shape != w.shape:
        raise CalibrationError(f"expected targets [n] and weights [n], got {y.shape}, {w.shape}")
    if not len(y):
        return y
    # Extremes tell of everything: a NaN anywhere is the extreme.
    if not np.isfinite([y.min(), y.max(), w.max()]).all() or not w.min() >= 0:
        raise CalibrationError("targets must be finite, weights finite and not negative")
    native = core()
    starts = native.pool_adjacent(y, w) if native is not None else _pool_adjacent(y, w)
    return np.repeat(_means(y, w, starts), np.diff(np.append(starts, len(y))))


def _means(y: Array, w: Array, starts: Array) -> Array:
    """Weighted mean of each block."""
    mass = np.add.reduceat(w, starts)
    sums = np.add.reduceat(y * w, starts)
    means = np.divide(sums, mass, out=np.zeros(len(starts)), where=mass > 0)
    for at in np.flatnonzero(mass <= 0):
        stop = starts[at + 1] if at + 1 < len(starts) else len(y)
        means[at] = y[starts[at] : stop].mean()
    # A block of weight 0 may lie anywhere between its neighbours, and rounding may cross two means.
    return np.maximum.accumulate(means)


def _pool_adjacent(y: Array, w: Array) -> Array:
    """Starts of the blocks in which neighbours that descend were pooled; int64."""
    starts: list[int] = []
    sums: list[float] = []
    mass: list[float] = []
    for at, (value, weight) in enumerate(zip(y.tolist(), w.tolist(), strict=True)):
        start, total, heavy = at, value * weight, weight
        # Cross-multiplied: a block of weight 0 violates nothing and joins what comes.
        while starts and sums[-1] * heavy >= total * mass[-1]:
            start = starts.pop()
            total += sums.pop()
            heavy += mass.pop()
        starts.append(start)
        sums.append(total)
        mass.append(heavy)
    return np.array(starts, np.int64)


def isotonic_points(
    predictions: Array,
    targets: Array,
    weights: Array | None = None,
    *,
    n_bin: int,
    similar_bins: bool = False,
) -> tuple[Array, Array]:
    """Calibration points of one class.

    Predictions are sorted, targets made ascending over them (one value for equal predictions), and
    both cut into ``n_bin`` runs whose weighted means are the points. The order of samples changes
    nothing.

    Args:
        predictions: [n].
        targets: [n].
        weights: [n]; default 1.
        n_bin: number of points, at most n.
        similar_bins: spread the runs over all samples, so that they may overlap or leave gaps;
            else all have n // n_bin samples and the last one takes what remains.

    Returns:
        (float64[n_bin] xs, float64[n_bin] ys), both ascending.

    Raises:
        CalibrationError: there are fewer samples than bins, or a bin has no weight.
    """
    x = np.asarray(predictions, np.float64)
    y = np.asarray(targets, np.float64)
    w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    if x.ndim != 1 or x.shape != y.shape or x.shape != w.shape:
        raise CalibrationError(f"expected [n] of each, got {x.shape}, {y.shape}, {w.shape}")
    if not np.isfinite(x).all():
        raise CalibrationError("predictions must be finite")
    n = len(x)
    if n_bin < 1 or n < n_bin:
        raise CalibrationError(f"{n} samples do not fill {n_bin} bins; ask for fewer bins")
    order = np.argsort(x)
    tied = bool((x[order[1:]] == x[order[:-1]]).any())
    if tied:
        order = np.lexsort((w, y, x))
    x, y, w = x[order], y[order], w[order]
    fitted = isotonic_regression(_pool_ties(x, y, w) if tied else y, w)
    starts, stops = _cuts(n, n_bin, similar_bins)
    mass = _sums(w, starts, stops)
    if not (mass > 0).all():
        at = int(np.flatnonzero(mass <= 0)[0])
        raise CalibrationError(
            f"bin {at} of {n_bin} (samples {starts[at]} to {stops[at]}) has no weight; "
            "leave out samples of weight 0, or ask for fewer bins"
        )
    xs = np.maximum.accumulate(_sums(x * w, starts, stops) / mass)
    ys = np.maximum.accumulate(_sums(fitted * w, starts, stops) / mass)
    return xs, ys


def _pool_ties(x: Array, y: Array, w: Array) -> Array:
    """Targets, those of equal predictions replaced by their weighted mean; ``x`` ascends."""
    starts = np.flatnonzero(np.append(True, x[1:] != x[:-1]))
    sizes = np.diff(np.append(starts, len(x)))
    mass, plain = np.add.reduceat(w, starts), np.add.reduceat(y, starts) / sizes
    sums = np.add.reduceat(y * w, starts)
    return np.repeat(np.divide(sums, mass, out=plain, where=mass > 0), sizes)


def _cuts(n: int, n_bin: int, similar_bins: bool) -> tuple[Array, Array]:
    step = n // n_bin
    if similar_bins:
        starts = np.floor(np.linspace(0, n - step, n_bin)).astype(np.int64)
        return starts, starts + step
    starts = np.arange(n_bin) * step
    return starts, np.append(starts[1:], n)


def _sums(values: Array, starts: Array, stops: Array) -> Array:
    """Sum of each run; of neighbouring runs in one pass."""
    if np.array_equal(stops[:-1], starts[1:]):
        return np.add.reduceat(values[: stops[-1]], starts)
    return np.array([values[a:b].sum() for a, b in zip(starts, stops, strict=True)])


class IsotonicCalibrator:
    """Collects predictions and outcomes; `calibrate` gives one map a class.

    Args:
        n_bin: points of each map.
        similar_bins: see `isotonic_points`.
    """

    def __init__(self, n_bin: int, similar_bins: bool = False) -> None:
        self.n_bin, self.similar_bins = n_bin, similar_bins
        self._parts: list[tuple[Array, Array, Array]] = []
        self.points: tuple[Array, Array] | None = None

    def accumulate(self, predictions: Array, targets: Array, weights: Array | None = None) -> None:
        """Take note of a batch.

        Args:
            predictions: [n, classes], or [n].
            targets: the same shape.
            weights: [n]; default 1.

        Raises:
            CalibrationError: shapes do not fit.
        """
        x, y = _columns(predictions), _columns(targets)
        w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
        if x.shape != y.shape or w.shape != x.shape[:1]:
            raise CalibrationError(
                f"expected predictions and targets [n, classes] and weights [n], "
                f"got {x.shape}, {y.shape}, {w.shape}"
            )
        if self._parts and self._parts[0][0].shape[1] != x.shape[1]:
            raise CalibrationError(
                f"{x.shape[1]} classes after batches of {self._parts[0][0].shape[1]}"
            )
        self._parts.append((x.copy(), y.copy(), w.copy()))

    def merge(self, other: IsotonicCalibrator) -> None:
        """Take over what another worker has collected."""
        for part in other._parts:  # the same class
            self.accumulate(*part)

    def calibrate(self) -> tuple[Array, Array]:
        """Fit the maps; the result does not depend on the order of samples.

        Returns:
            (float64[classes, n_bin] xs, float64[classes, n_bin] ys).

        Raises:
            CalibrationError: there are fewer samples than bins, or a bin has no weight.
        """
        if not self._parts:
            raise CalibrationError("nothing to calibrate from: no prediction was accumulated")
        x, y, w = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        maps = [
            isotonic_points(
                x[:, column], y[:, column], w, n_bin=self.n_bin, similar_bins=self.similar_bins
            )
            for column in range(x.shape[1])
        ]
        self.points = np.stack([xs for xs, _ in maps]), np.stack([ys for _, ys in maps])
        for xs, ys in maps:
            check_points(xs, ys)
        return self.points

    def to_layer(self, column: int = 0, **kwargs: Any) -> Any:
        """The Keras layer of one class's map.

        Raises:
            CalibrationError: not calibrated yet.
        """
        from deepbird_v2.layers.isotonic import Isotonic

        return Isotonic.from_points(*self._map(column), **kwargs)

    def save(self, path: str | Path, column: int = 0) -> None:
        """Write one class's map as a map file (`deepbird_v2.calibration.file`).

        Raises:
            CalibrationError: not calibrated yet.
        """
        file.save(*self._map(column), path)

    def _map(self, column: int) -> tuple[Array, Array]:
        if self.points is None:
            raise CalibrationError("not calibrated yet: call calibrate() first")
        xs, ys = self.points
        return xs[column], ys[column]


def _columns(values: Array) -> Array:
    values = np.asarray(values, np.float64)
    if values.ndim not in (1, 2):
        raise CalibrationError(f"expected [n] or [n, classes], got {values.shape}")
    return values[:, np.newaxis] if values.ndim == 1 else values
