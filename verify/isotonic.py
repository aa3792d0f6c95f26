"""``verify isotonic``: does every score keep its probability?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepbird_v2.calibration.file import fingerprint
from deepbird_v2.calibration.isotonic import check_points, interpolate
from migrate.isotonic import load_isotonic
from verify.compare.isotonic import Map, differing_points, gaps, probes
from verify.compare.values import ulp_distance
from verify.predictions import PredictionError, load_predictions
from verify.report.isotonic_sections import maps_section, points_section, scores_section
from verify.report.tree import Report
from verify.verdict import Check, Stage, Status, Verdict

__all__ = ["compare_maps", "verify_isotonic"]

Array = np.ndarray[Any, Any]

_FEW_ULP = 1000
_SPECIAL = {"NaN": np.nan, "+Inf": np.inf, "-Inf": -np.inf, "+0": 0.0, "-0": -0.0}


def verify_isotonic(
    old: str | Path,
    new: str | Path,
    data: Sequence[str | Path] = (),
    *,
    column: str | None = None,
    tolerance: float = 0.0,
    command: str | None = None,
) -> Report:
    """Compare two calibration maps from any source that `load_isotonic` reads.

    Args:
        old: the one that counts.
        new: the one in question.
        data: recorded scores: any files that `load_predictions` reads.
        column: the column of scores; default: the only one.
        tolerance: largest difference of a probability that passes; 0 asks for equal maps.
        command: how to produce the report again.

    Raises:
        CalibrationError: a source holds no map.
        ValueError, OSError: an input cannot be used.
    """
    maps = load_isotonic(old), load_isotonic(new)
    scores, labels = _recorded([Path(path) for path in data], column)
    return compare_maps(
        *maps,
        tolerance=tolerance,
        scores=scores,
        labels=labels,
        roles=(str(old), str(new)),
        command=command,
    )


def compare_maps(
    old: Map,
    new: Map,
    *,
    tolerance: float = 0.0,
    scores: Array | None = None,
    labels: Array | None = None,
    roles: tuple[str, str] = ("old", "new"),
    command: str | None = None,
) -> Report:
    """Compare two calibration maps.

    At a tolerance of 0 a map is the same only if it has the same points, bit for bit; else what the
    points make of scores is judged.

    Args:
        old: (xs [n], ys [n]) of the one that counts.
        new: (xs [m], ys [m]) of the one in question.
        tolerance: largest difference of a probability that passes.
        scores: recorded scores [rows], to say how many of them change.
        labels: what came of them, in [0, 1], [rows].
        roles: what the two are, for the report.
        command: how to produce the report again.

    Raises:
        CalibrationError: a side is no ascending map.
        ValueError: the tolerance is negative or not finite.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0.0):
        raise ValueError(f"a tolerance must be 0 or a positive number, not {tolerance!r}")
    for xs, ys in (old, new):
        check_points(xs, ys)
    places = probes(old, new)
    checks = [
        _dtypes(old, new, tolerance),
        _points(old, new, tolerance),
        _asked("every score", "scores on and beside points", places, old, new, tolerance),
        _special(old, new, tolerance),
    ]
    sections = [maps_section(old, new, places), points_section(old, new, places)]
    if scores is not None:
        scores = np.asarray(scores, np.float64)
        checks.append(_asked("recorded scores", "recorded scores", scores, old, new, tolerance))
        sections += scores_section(old, new, scores, labels, tolerance)
    return Report(
        title="Calibration map: does every score keep its probability?",
        verdict=Verdict.combine(checks),
        roles={"v1": _described(roles[0], old), "v2": _described(roles[1], new)},
        sections=tuple(sections),
        provenance={"v1 fingerprint": fingerprint(*old), "v2 fingerprint": fingerprint(*new)},
        command=command,
    )


def _dtypes(old: Map, new: Map, tolerance: float) -> Check:
    first, second = old[0].dtype.name, new[0].dtype.name
    if first == second:
        return Check("points", Stage.DTYPES, Status.PASS, f"{first} on both sides")
    status = Status.PASS if tolerance else Status.FAIL
    return Check("points", Stage.DTYPES, status, f"{first} in v1, {second} in v2")


def _points(old: Map, new: Map, tolerance: float) -> Check:
    """Are they the same points? Only a tolerance above 0 leaves that to their effect."""
    sizes, apart = (len(old[0]), len(new[0])), differing_points(old, new)
    numbers = {"v1": sizes[0], "v2": sizes[1], "differ": len(apart)}
    if not len(apart):
        detail = f"all {sizes[0]:,} are equal"
        return Check("points", Stage.CALIBRATION, Status.PASS, detail, numbers)
    at = int(apart[0])
    if sizes[0] == sizes[1]:
        detail = f"{len(apart):,} of {sizes[0]:,} differ, first point {at}: "
    else:
        detail = f"{sizes[0]:,} in v1, {sizes[1]:,} in v2; the first to differ is point {at}: "
    detail += _moved(at, old, new)
    if tolerance:
        detail += "; what that does to probabilities is judged below"
    status = Status.PASS if tolerance else Status.FAIL
    return Check("points", Stage.CALIBRATION, status, detail, numbers, f"point {at}")


def _moved(at: int, old: Map, new: Map) -> str:
    """What happened to one point."""
    for role, other, side in (("v1", "v2", new), ("v2", "v1", old)):
        if at >= len(side[0]):
            return f"{role} has it, {other} has not"
    parts = []
    for name, a, b in (("score", old[0][at], new[0][at]), ("probability", old[1][at], new[1][at])):
        if a != b:
            parts.append(f"{name} {float(a)!r} → {float(b)!r} ({_apart(a, b)})")
    return ", ".join(parts)


def _apart(a: Any, b: Any) -> str:
    """In ULP where that says more than the difference."""
    if a.dtype == b.dtype:
        steps = int(ulp_distance(np.atleast_1d(a), np.atleast_1d(b))[0])
        if steps <= _FEW_ULP:
            return f"{steps:,} ULP"
    return f"{float(b) - float(a):+.3g}"


def _asked(name: str, which: str, x: Array, old: Map, new: Map, tolerance: float) -> Check:
    if not len(x):
        return Check(name, Stage.CALIBRATION, Status.INCONCLUSIVE, "no scores to compare")
    gap = np.abs(gaps(x, old, new))
    worst = int(np.argmax(gap))
    over, moved = int((gap > tolerance).sum()), int((gap > 0.0).sum())
    numbers = {"max_abs": float(gap[worst]), "moved": moved, "over": over, "n": len(x)}
    if not moved:
        detail = f"{len(x):,} {which} keep their probability"
        return Check(name, Stage.CALIBRATION, Status.PASS, detail, numbers)
    at = float(x[worst])
    before, after = (float(interpolate(x[[worst]], *side)[0]) for side in (old, new))
    detail = f"{moved:,} of {len(x):,} {which} move ({moved / len(x):.2%})"
    detail += f", {over:,} by more than {tolerance:g}" if tolerance else ""
    detail += f"; most by {gap[worst]:.3g}, from {before!r} to {after!r}"
    status = Status.FAIL if over else Status.PASS
    return Check(name, Stage.CALIBRATION, status, detail, numbers, f"score {at!r}")


def _special(old: Map, new: Map, tolerance: float) -> Check:
    gap = np.abs(gaps(np.array(list(_SPECIAL.values())), old, new))
    moved = [name for name, size in zip(_SPECIAL, gap, strict=True) if size > tolerance]
    status = Status.FAIL if moved else Status.PASS
    detail = f"moved: {', '.join(moved)}" if moved else f"{len(_SPECIAL)} keep their probability"
    return Check("special values", Stage.CALIBRATION, status, detail)


def _recorded(paths: Sequence[Path], column: str | None) -> tuple[Array | None, Array | None]:
    """Scores of all files, and labels if all have some."""
    if not paths:
        return None, None
    scores, labels = [], []
    for path in paths:
        found = load_predictions(path, columns=None if column is None else [column])
        single = {name: values for name, values in found.columns.items() if values.ndim == 1}
        if len(single) != 1:
            if column is not None:
                raise PredictionError(f"{path}: column {column!r} holds more than a score a row")
            raise PredictionError(
                f"{path}: {len(single)} columns hold a number a row ({', '.join(single) or 'none'})"
                f"; say with --column which one the map is applied to"
            )
        scores.append(np.asarray(next(iter(single.values())), np.float64))
        labels.append(found.labels)
    known = [part for part in labels if part is not None]
    whole = np.concatenate(known) if len(known) == len(labels) else None
    return np.concatenate(scores), whole


def _described(source: str, points: Map) -> str:
    return f"{source} ({len(points[0]):,} points, {points[0].dtype})"
