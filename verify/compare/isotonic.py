"""Two calibration maps, compared point by point and as functions.

Between their points both are straight lines, and outside them constant. So their difference is
greatest at a point of either or just beside one, where several points share a score: asking there
covers every score there is, up to the rounding of one interpolation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deepbird_v2.calibration.isotonic import interpolate

__all__ = ["Map", "differing_points", "gaps", "probes"]

Array = np.ndarray[Any, Any]
Map = tuple[Array, Array]


def probes(old: Map, new: Map) -> Array:
    """The scores that decide about all others.

    Args:
        old: (xs [n], ys [n]).
        new: (xs [m], ys [m]).

    Returns:
        float64 [k], ascending: every point of either, and its neighbours in the type that each
        side compares in.
    """
    knots = np.unique(np.concatenate([old[0], new[0]]).astype(np.float64))
    found = [knots]
    for dtype in {old[0].dtype, new[0].dtype}:
        near = knots.astype(dtype)
        with np.errstate(over="ignore"):
            beside = [np.nextafter(near, dtype.type(end)) for end in (-np.inf, np.inf)]
        found += [side.astype(np.float64) for side in (near, *beside)]
    every = np.unique(np.concatenate(found))
    return every[np.isfinite(every)]


def gaps(x: Array, old: Map, new: Map) -> Array:
    """v2's probability less v1's, in float64.

    Args:
        x: scores, any shape.
        old: (xs [n], ys [n]).
        new: (xs [m], ys [m]).

    Returns:
        The shape of `x`.
    """
    with np.errstate(over="ignore"):  # a score beyond float32 is infinite there, and so clamped
        first, second = interpolate(x, *old), interpolate(x, *new)
    return np.asarray(second.astype(np.float64) - first.astype(np.float64))


def differing_points(old: Map, new: Map) -> Array:
    """Numbers of the points whose score or probability differs, in any bit but the sign of 0.

    Args:
        old: (xs [n], ys [n]).
        new: (xs [m], ys [m]).

    Returns:
        int64 [k], ascending; points that one side alone has are among them.
    """
    both = min(len(old[0]), len(new[0]))
    apart = (old[0][:both] != new[0][:both]) | (old[1][:both] != new[1][:both])
    alone = np.arange(both, max(len(old[0]), len(new[0])))
    return np.concatenate([np.flatnonzero(apart), alone])
