"""Answers that stand at the wrong requests: shifted by some rows, or exchanged.

Both make any comparison of values fail, and neither is a fault of the model; whoever reads the
report should hear what happened, not how large the differences are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from verify.tolerance import Tolerance
from verify.verdict import Check, Stage, Status

__all__ = ["misplaced"]

Floats = NDArray[np.float64]
_FARTHEST = 8
# Exchanged answers are told from wrong ones if they are this many times off their own tolerance.
_FAR = 100.0
_EXAMPLES = 3


def misplaced(
    name: str, v1: Floats, v2: Floats, tolerance: Tolerance, row_name: Callable[[int], str]
) -> Check | None:
    """Look for answers of v2 that are v1's answers to other requests.

    Args:
        name: The output.
        v1: v1's answers, finite, [rows].
        v2: v2's answers, finite, [rows].
        tolerance: What counts as the same answer.
        row_name: Names a row by its position.

    Returns:
        A failing check of the join stage that says how rows are misplaced, or None.
    """
    bad = np.flatnonzero(np.abs(v2 - v1) > tolerance.allowed(v1))
    if len(bad) < 2:
        return None
    return _shifted(name, v1, v2, tolerance) or _exchanged(name, v1, v2, bad, tolerance, row_name)


def _shifted(name: str, v1: Floats, v2: Floats, tolerance: Tolerance) -> Check | None:
    here = _agreement(v1, v2, tolerance)
    for distance in range(1, min(_FARTHEST, len(v1) // 4) + 1):
        for by in (distance, -distance):
            theirs, ours = (v1[:-by], v2[by:]) if by > 0 else (v1[-by:], v2[:by])
            there = _agreement(theirs, ours, tolerance)
            if there > 0.95 and here < 0.5:
                rows = f"{distance} row{'s' if distance > 1 else ''}"
                detail = (
                    f"v2's answers are v1's, shifted {'down' if by > 0 else 'up'} by {rows}: "
                    f"{there:.1%} agree with the shift, {here:.1%} without"
                )
                numbers = {"shift": by, "agree": there, "agree_unshifted": here}
                return Check(name, Stage.JOIN, Status.FAIL, detail, numbers)
    return None


def _agreement(v1: Floats, v2: Floats, tolerance: Tolerance) -> float:
    return float(np.mean(np.abs(v2 - v1) <= tolerance.allowed(v1)))


def _exchanged(
    name: str,
    v1: Floats,
    v2: Floats,
    bad: NDArray[np.int64],
    tolerance: Tolerance,
    row_name: Callable[[int], str],
) -> Check | None:
    """Wrong answers that are each other's right ones."""
    theirs, ours = bad[np.argsort(v1[bad])], bad[np.argsort(v2[bad])]
    allowed = tolerance.allowed(v1[theirs])
    if not np.all(np.abs(v2[ours] - v1[theirs]) <= allowed):
        return None
    # among many scores close to each other, any wrong answer is some other request's right one
    if np.median(np.abs(v2[bad] - v1[bad])) < _FAR * np.median(allowed):
        return None
    pairs = sorted(zip(ours.tolist(), theirs.tolist(), strict=True))[: 2 * _EXAMPLES]
    listed = "; ".join(
        f"{row_name(mine)} holds the answer to {row_name(owner)}"
        for mine, owner in pairs
        if mine != owner
    )
    more = "; …" if len(bad) > len(pairs) else ""
    detail = f"{len(bad):,} answers are exchanged among each other: {listed}{more}"
    numbers = {"exchanged": len(bad)}
    return Check(name, Stage.JOIN, Status.FAIL, detail, numbers, row_name(int(bad[0])))
