"""Two calibration maps, compared everywhere: between their points both are straight lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepbird_v2.calibration.isotonic import check_points, interpolate
from verify.report.tree import Facts, Report, Section
from verify.verdict import Check, Stage, Status, Verdict

__all__ = ["compare_maps"]

Array = np.ndarray[Any, Any]
Map = tuple[Array, Array]

_OUTSIDE = {"NaN": np.nan, "+Inf": np.inf, "-Inf": -np.inf, "+0": 0.0, "-0": -0.0}


def compare_maps(
    old: Map,
    new: Map,
    *,
    atol: float = 0.0,
    scores: Array | None = None,
    command: str | None = None,
) -> Report:
    """Compare two isotonic maps.

    The difference of two piecewise linear maps is greatest at, or just beside, a point of either,
    so asking there covers every score there is.

    Args:
        old: (xs [n], ys [n]) of the one that counts.
        new: (xs [m], ys [m]) of the one in question.
        atol: largest difference that passes; 0 asks for equal answers.
        scores: recorded scores, to say how many of them change.
        command: how to produce the report again.

    Raises:
        CalibrationError: a side is no ascending map.
    """
    for xs, ys in (old, new):
        check_points(xs, ys)
    knots = np.unique(np.concatenate([old[0], new[0]]).astype(np.float64))
    near = np.concatenate([knots, np.nextafter(knots, -np.inf), np.nextafter(knots, np.inf)])
    checks = [
        _checked("points", np.sort(near), old, new, atol),
        _special(old, new, atol),
    ]
    if scores is not None:
        checks.append(_checked("traffic", np.asarray(scores, np.float64), old, new, atol))
    sizes = Facts({"points in v1": len(old[0]), "points in v2": len(new[0]), "tolerance": atol})
    return Report(
        title="Calibration map: does every score keep its probability?",
        verdict=Verdict.combine(checks),
        roles={"v1": f"{len(old[0])} points", "v2": f"{len(new[0])} points"},
        sections=(Section("Maps", (sizes,)),),
        command=command,
    )


def _gap(x: Array, old: Map, new: Map) -> Array:
    gap: Array = np.abs(
        interpolate(x, *old).astype(np.float64) - interpolate(x, *new).astype(np.float64)
    )
    return gap


def _checked(name: str, x: Array, old: Map, new: Map, atol: float) -> Check:
    if not len(x):
        return Check(name, Stage.CALIBRATION, Status.INCONCLUSIVE, "no scores to compare")
    gap = _gap(x, old, new)
    worst, over = int(np.argmax(gap)), int((gap > atol).sum())
    status = Status.FAIL if over else Status.PASS
    detail = f"{over:,} of {len(x):,} scores differ by more than {atol:g}; at most {gap[worst]:.3g}"
    numbers = {"max_abs": float(gap[worst]), "over": over, "n": len(x)}
    return Check(name, Stage.CALIBRATION, status, detail, numbers, repr(float(x[worst])))


def _special(old: Map, new: Map, atol: float) -> Check:
    gap = _gap(np.array(list(_OUTSIDE.values())), old, new)
    moved = [name for name, g in zip(_OUTSIDE, gap, strict=True) if g > atol]
    status = Status.FAIL if moved else Status.PASS
    detail = f"moved: {', '.join(moved)}" if moved else f"{len(_OUTSIDE)} keep their probability"
    return Check("special values", Stage.CALIBRATION, status, detail)
