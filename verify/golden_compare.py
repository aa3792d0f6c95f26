"""Values of a golden case against those of an implementation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from verify.golden_policy import GoldenPolicy

__all__ = ["Off", "Pairs", "compare", "matched"]

Pairs = Iterator[tuple[str, Any, Any]]
"""(what, Torch's value, the implementation's) triples."""


class Off(NamedTuple):
    """The worst element of one value.

    Attributes:
        error: |difference|.
        allowed: what the policy accepts there.
        ratio: of the two; 0 where the values are equal.
    """

    error: float = 0.0
    allowed: float = 0.0
    ratio: float = 0.0


def matched(path: str, ref: Any, got: Any) -> Iterator[tuple[str, Any, Any]]:
    """Matching (path, reference, got) arrays; a mismatch of form gives a message as ``got``."""
    if isinstance(ref, list | dict):
        entries = list(ref.values()) if isinstance(ref, dict) else ref
        if not isinstance(got, list | tuple) or len(got) != len(entries):
            form = f"{len(got)} entries" if isinstance(got, list | tuple) else type(got).__name__
            yield path, None, f"{path}: Torch gives a table of {len(entries)}, got {form}"
            return
        for i, (r, g) in enumerate(zip(entries, got, strict=True), 1):
            yield from matched(f"{path}[{i}]", r, g)
        return
    if got is None:
        yield path, None, f"{path}: missing"
        return
    ref, got = np.asarray(ref), np.asarray(got)
    if ref.size == 0 and got.size == 0:
        return
    if ref.shape != got.shape and not ref.size == got.size == 1:
        yield path, None, f"{path}: Torch gives shape {ref.shape}, got {got.shape}"
        return
    yield path, ref, got.reshape(ref.shape)


def compare(ref: Any, got: Any, policy: GoldenPolicy, check: str, output: str) -> Off:
    """The worst element of ``got``, in multiples of what is allowed."""
    same = ref == got
    if ref.dtype.kind == "f":
        same |= np.isnan(ref) & np.isnan(got)
    if same.all():
        return Off()
    allowed = policy.tolerance(dtype=ref.dtype, family=check, output=output).allowed(ref)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        error = np.abs(got.astype(np.float64) - ref.astype(np.float64))
        error = np.where(same, 0.0, np.where(np.isfinite(error), error, np.inf))
        ratio = np.where(error == 0, 0.0, np.where(np.isinf(error), np.inf, error / allowed))
    worst = np.unravel_index(np.argmax(ratio), ratio.shape)
    return Off(float(error.max()), float(allowed[worst]), float(ratio[worst]))
