"""Two calibration maps as sections of a report."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepbird_v2.calibration.isotonic import interpolate
from verify.compare.calibration import quality
from verify.compare.isotonic import Map, differing_points, gaps
from verify.report.quality_tables import quality_tables
from verify.report.tree import Block, Cell, Column, Curve, Curves, Facts, Section, Table

__all__ = ["maps_section", "points_section", "scores_section"]

Array = np.ndarray[Any, Any]

# Of more, evenly spaced ones are drawn or listed.
_DRAWN, _LISTED = 1000, 20


def maps_section(old: Map, new: Map, places: Array) -> Section:
    """Both maps, their difference, and where it is largest.

    Args:
        old: (xs [n], ys [n]) of v1.
        new: (xs [m], ys [m]) of v2.
        places: scores to draw the difference at, ascending, [k].
    """
    gap = gaps(places, old, new)
    worst = int(np.argmax(np.abs(gap)))
    facts: dict[str, Cell] = {
        "points in v1": len(old[0]),
        "points in v2": len(new[0]),
        "largest difference": float(abs(gap[worst])),
        "at score": float(places[worst]) if gap[worst] else None,
    }
    lines = tuple(Curve(role, _line(*side)) for role, side in (("v1", old), ("v2", new)))
    blocks = (
        Facts(facts),
        Curves("Both maps", "score", "probability", lines, logarithmic=False),
        Curves(
            "Difference",
            "score",
            "v2 − v1",
            (Curve("v2 − v1", _line(places, gap)),),
            logarithmic=False,
        ),
    )
    return Section("Maps", blocks)


def points_section(old: Map, new: Map, places: Array) -> Section:
    """The points that differ, and the scores whose probability moves most.

    Args:
        old: (xs [n], ys [n]) of v1.
        new: (xs [m], ys [m]) of v2.
        places: scores to ask both maps at, [k].
    """
    apart = differing_points(old, new)
    shown = f", the first {_LISTED} of {len(apart):,}" if len(apart) > _LISTED else ""
    names = ("point", "score in v1", "score in v2", "probability in v1", "probability in v2")
    rows = tuple(
        (int(at), *(_exact(side[part], at) for part in (0, 1) for side in (old, new)))
        for at in apart[:_LISTED]
    )
    points = Table(tuple(map(Column, names)), rows, f"Points that differ{shown}")
    gap = gaps(places, old, new)
    moved = _worst(places, gap)
    before, after = interpolate(places[moved], *old), interpolate(places[moved], *new)
    worst = tuple(
        (repr(float(x)), repr(float(a)), repr(float(b)), float(d))
        for x, a, b, d in zip(places[moved], before, after, gap[moved], strict=True)
    )
    columns = tuple(map(Column, ("score", "v1", "v2", "v2 − v1")))
    if not len(apart):
        return Section("Points", (), "Every point of v2 is v1's, bit for bit.")
    return Section("Points", (points, Table(columns, worst, "Scores that move most")))


def scores_section(
    old: Map, new: Map, scores: Array, labels: Array | None, tolerance: float
) -> list[Section]:
    """How many recorded scores move, and the reliability of both maps where labels exist.

    Args:
        old: (xs [n], ys [n]) of v1.
        new: (xs [m], ys [m]) of v2.
        scores: float64 [rows].
        labels: in [0, 1], [rows].
        tolerance: largest difference of a probability that passes.
    """
    if not len(scores):
        return []
    v1, v2 = (interpolate(scores, *side).astype(np.float64) for side in (old, new))
    gap = np.abs(v2 - v1)
    facts: dict[str, Cell] = {
        "scores": len(scores),
        "that move, %": 100.0 * float(np.mean(gap > 0.0)),
        "beyond the tolerance, %": 100.0 * float(np.mean(gap > tolerance)),
        "largest difference": float(gap.max()),
        "mean difference": float(np.mean(v2 - v1)),
        "mean probability of v1": float(v1.mean()),
        "mean probability of v2": float(v2.mean()),
    }
    blocks: list[Block] = [Facts(facts)]
    if labels is not None and all(np.all((p >= 0.0) & (p <= 1.0)) for p in (v1, v2)):
        blocks += quality_tables(quality(v1, labels), quality(v2, labels))
    return [Section("Recorded scores", tuple(blocks))]


def _worst(places: Array, gap: Array) -> Array:
    """Positions of the largest gaps, largest first; of a point and its neighbours one is enough."""
    found: list[int] = []
    for at in np.argsort(-np.abs(gap), kind="stable").tolist():
        if gap[at] == 0.0 or len(found) == _LISTED:
            break
        if not any(np.isclose(places[at], places[other], rtol=1e-6, atol=0.0) for other in found):
            found.append(at)
    return np.array(found, np.int64)


def _line(x: Array, y: Array) -> tuple[tuple[float, float], ...]:
    at = np.unique(np.linspace(0, len(x) - 1, min(len(x), _DRAWN)).astype(np.int64))
    return tuple(zip(x[at].tolist(), y[at].tolist(), strict=True))


def _exact(values: Array, at: int) -> str | None:
    return repr(float(values[at])) if at < len(values) else None
