"""Hints from a layer's output: a simple relation between what v1 gives and what v2 gives."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from verify.hints import Evidence, Hint
from verify.measure import arrays, distance

__all__ = ["value_hint"]

Array = np.ndarray[Any, Any]
CLOSE = 1e-4


def value_hint(evidence: Evidence) -> Hint | None:
    """The relation that holds, if there is one."""
    if evidence.got is None:
        return None
    answers, gots = arrays(evidence.answer), arrays(evidence.got)
    if len(answers) != len(gots):
        return Hint("branches", f"gives {len(gots)} tensors, v1 gives {len(answers)}")
    if len(answers) != 1:
        return None
    answer, got = answers[0], gots[0]
    if answer.shape != got.shape:
        return Hint("option", f"gives shape {got.shape}, v1 gives {answer.shape}")
    if answer.dtype.kind != "f":
        return None
    return (
        _dropping(evidence, got)
        or _scale(answer, got)
        or _bias(answer, got, evidence.limit)
        or _moved(answer, got, evidence.limit)
    )


def _dropping(evidence: Evidence, got: Array) -> Hint | None:
    """Zeros and scaled inputs: dropout that was left on."""
    given = arrays(evidence.given)
    if len(given) != 1 or given[0].shape != got.shape or not got.size:
        return None
    kept = got != 0
    used = kept & (given[0] != 0)
    if kept.all() or not used.any():
        return None
    ratio = got[used] / given[0][used]
    if np.ptp(ratio) > CLOSE * abs(ratio[0]) or ratio[0] == 1:
        return None
    share = 1 - kept.mean()
    return Hint("mode", f"drops {share:.0%} of its input: it runs in training mode")


def _scale(answer: Array, got: Array) -> Hint | None:
    used = np.isfinite(answer) & (answer != 0)
    if used.sum() < 2 or np.abs(got[~used]).max(initial=0.0) > 0:
        return None
    ratio = got[used].astype(np.float64) / answer[used]
    if not np.ptp(ratio) <= CLOSE * abs(ratio[0]):
        return None
    return Hint("scale", f"gives v1's output times {np.median(ratio):.6g}")


def _bias(answer: Array, got: Array, limit: float) -> Hint | None:
    off = got.astype(np.float64) - answer
    for axis in range(answer.ndim):
        rest = tuple(i for i in range(answer.ndim) if i != axis)
        if answer.shape[axis] < off.size and np.all(np.ptp(off, axis=rest) <= limit):
            values = np.round(off.mean(axis=rest), 6)
            text = f"differs by a constant for each index of axis {axis}: {values[:4]}"
            return Hint("bias", text)
    return None


def _moved(answer: Array, got: Array, limit: float) -> Hint | None:
    for axes in itertools.permutations(range(answer.ndim)):
        if distance(np.transpose(answer, axes), got) <= limit:
            return Hint("layout", f"gives v1's output transposed, axes {axes}")
    for axis in range(answer.ndim):
        if distance(np.flip(answer, axis), got) <= limit:
            return Hint("branches", f"gives v1's output reversed along axis {axis}")
        for step in (1, -1):
            if distance(np.roll(answer, step, axis), got) <= limit:
                return Hint("shift", f"gives v1's output shifted by {step:+d} along axis {axis}")
    return None
