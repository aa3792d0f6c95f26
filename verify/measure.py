"""How far a layer's output is off, as a multiple of the noise that v1 itself has."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["arrays", "distance", "floor_of", "ratio_of"]

Array = np.ndarray[Any, Any]

# Relative to the largest value of an output: two steps of float32; some dozens of float64.
FLOORS = {np.dtype(np.float64): 2.0**-46}
FLOOR = 2.0**-22


def arrays(value: Any) -> list[Array]:
    """The arrays of nested tables; a sparse batch as its columns."""
    if isinstance(value, list | tuple):
        return [array for entry in value for array in arrays(entry)]
    if hasattr(value, "row_splits"):
        return [np.asarray(c) for c in (value.row, value.key, value.value)]
    return [np.asarray(value)]


def floor_of(answer: Any, exact: Any) -> float:
    """The error of v1's own arithmetic in a layer, and never less than a few steps of its scale."""
    floors = [float(np.finfo(np.float32).tiny)]
    for a, e in zip(arrays(answer), arrays(exact), strict=True):
        if a.size and a.dtype.kind == "f":
            off = np.abs(a.astype(np.float64) - e)
            floors.append(float(np.max(off, where=np.isfinite(off), initial=0.0)))
            size = np.abs(a)
            scale = float(np.max(size, where=np.isfinite(size), initial=0.0))
            floors.append(FLOORS.get(a.dtype, FLOOR) * scale)
    return max(floors)


def distance(answer: Any, got: Any) -> float:
    """The largest |difference|; infinite where shapes differ or only one side is finite."""
    reference, values = arrays(answer), arrays(got)
    if [a.shape for a in reference] != [v.shape for v in values]:
        return float("inf")
    worst = 0.0
    for a, v in zip(reference, values, strict=True):
        if not a.size:
            continue
        with np.errstate(invalid="ignore", over="ignore"):
            off = np.abs(a.astype(np.float64) - v.astype(np.float64))
        off = np.where((a == v) | (np.isnan(a) & np.isnan(v)), 0.0, off)
        worst = max(worst, float(np.nan_to_num(off, nan=np.inf).max()))
    return worst


def ratio_of(answer: Any, got: Any, floor: float) -> float | None:
    """The largest |difference| as a multiple of ``floor``; None where there is no answer."""
    return None if got is None else distance(answer, got) / floor
