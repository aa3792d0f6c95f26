"""Isotonic map: piecewise linear between calibrated points, clamped outside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepbird_v2.discretizers.percentile import tie_bins

__all__ = ["CalibrationError", "check_points", "interpolate"]

Array = np.ndarray[Any, Any]


class CalibrationError(ValueError):
    """Calibration points do not make a map."""


def check_points(xs: Array, ys: Array) -> None:
    """Refuse points that are no ascending map.

    Args:
        xs: [n] ascending.
        ys: [n] ascending.

    Raises:
        CalibrationError: they differ in length, are empty, not finite, or descend.
    """
    if xs.ndim != 1 or xs.shape != ys.shape or not xs.size:
        raise CalibrationError(f"expected xs [n] and ys [n], got {xs.shape} and {ys.shape}")
    for name, points in (("xs", xs), ("ys", ys)):
        if not np.isfinite(points).all():
            raise CalibrationError(f"{name} holds a number that is not finite")
        if (points[1:] < points[:-1]).any():
            at = int(np.flatnonzero(points[1:] < points[:-1])[0])
            raise CalibrationError(f"{name} descends after point {at}")


def interpolate(x: Array, xs: Array, ys: Array) -> Array:
    """The map at ``x``.

    Args:
        x: any shape; NaN counts as below everything.
        xs: [n] ascending.
        ys: [n].

    Returns:
        The shape of ``x``, in the type of ``xs``. At or below ``xs[0]`` it is ``ys[0]``, from
        ``xs[-1]`` on ``ys[-1]``. On a point the published runtime's search decides which segment
        counts; that matters only where several points have one ``x``.
    """
    x = np.asarray(x).astype(xs.dtype)
    at = np.clip(np.searchsorted(xs, x, side="right") - 1, 0, len(xs) - 1)
    left = np.where(xs[at] == x, tie_bins(xs[np.newaxis])[0][at], at)
    right = np.minimum(left + 1, len(xs) - 1)
    width = xs[right] - xs[left]
    with np.errstate(divide="ignore", invalid="ignore"):
        y = ys[left] + (ys[right] - ys[left]) * ((x - xs[left]) / width)
    y = np.where(width > 0, y, ys[left])
    y = np.where(x >= xs[-1], ys[-1], y)
    return np.where(x > xs[0], y, ys[0])
