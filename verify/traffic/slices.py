"""Slices: parts of the traffic named by SQL predicates over the stored comparison.

A slice is judged by what it adds: whether answers out of tolerance gather in it, and whether its
scores moved as a whole. Many slices are many chances of a false alarm, so p-values are adjusted
over all slices (Benjamini-Hochberg).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from verify.stats.multiple import benjamini_hochberg
from verify.traffic.slice_store import Counts, Slice, SliceError, SliceStore
from verify.verdict import Status

__all__ = [
    "Slice",
    "SliceError",
    "SliceResult",
    "judge_slices",
    "parse_slice",
    "quoted_names",
]

MINIMUM = 50
ALPHA = 0.01
# Bad answers gather where they are this many times as frequent as elsewhere.
GATHERED = 2.0


@dataclass(frozen=True, slots=True)
class SliceResult:
    """How one output fared in one slice.

    Attributes:
        slice: The slice.
        output: The output.
        rows: Requests in it.
        beyond: Those out of tolerance, or without an answer; `beyond_outside`: all others'.
        max_abs, bias: Largest |v2 − v1| and mean v2 − v1 over finite answers; None without any.
        shift: Sum of v2 over sum of v1, less 1; None where v1's sum is not positive.
        p_gathered: Chance that so many of the bad answers fall in by accident, adjusted.
        p_shifted: Chance of such a shift if the true one is within the margin, adjusted.
        gathered: Whether bad answers gather here, surely and by a multiple: this is where to look.
        status: FAIL for one that fails by itself, INCONCLUSIVE below the minimum size.
        note: Why.
    """

    slice: Slice
    output: str
    rows: int
    beyond: int
    beyond_outside: int
    max_abs: float | None
    bias: float | None
    shift: float | None
    p_gathered: float
    p_shifted: float
    gathered: bool
    status: Status
    note: str


def parse_slice(text: str) -> Slice:
    """Read `name: SQL predicate`; a predicate alone is its own name.

    Raises:
        SliceError: The predicate is empty.
    """
    found = re.fullmatch(r"\s*([\w .,/+-]+?)\s*:(?!:)(.*)", text, re.DOTALL)
    name, predicate = (found[1], found[2].strip()) if found else (text.strip(), text.strip())
    if not predicate:
        raise SliceError(f"slice {text!r} has no predicate; write name: SQL predicate")
    return Slice(name, predicate)


def quoted_names(predicate: str) -> tuple[str, ...]:
    """Return the double-quoted identifiers of a predicate; features are named this way."""
    without_strings = re.sub(r"'(?:[^']|'')*'", "''", predicate)
    return tuple(
        name.replace('""', '"') for name in re.findall(r'"((?:[^"]|"")+)"', without_strings)
    )


def judge_slices(
    store: str | Path,
    slices: Sequence[Slice],
    outputs: Iterable[str],
    margin_of: Callable[[str], float],
    *,
    by: Iterable[str] = (),
    minimum: int = MINIMUM,
    memory: str = "1GB",
) -> list[SliceResult]:
    """Compare slice by slice.

    Args:
        store: The comparison that `Replay` stored.
        slices: Slices to judge; each must hold at least `minimum` requests.
        outputs: Outputs to judge.
        margin_of: Output → how far the sum of v2's scores over that of v1's may be from 1.
        by: Features whose values (deciles, if numbers of many values) are slices of their own;
            values below `minimum` are left out.
        minimum: Fewest requests of a slice.
        memory: What DuckDB may use; it spills to disk beyond.

    Returns:
        Every slice and output, worst first.

    Raises:
        SliceError: DuckDB is not installed, or refuses a predicate.
    """
    with SliceStore(Path(store), memory) as rows:
        every = [*slices, *(s for feature in by for s in rows.slices_by(feature, minimum))]
        margins = {name: margin_of(name) for name in outputs} if every else {}
        whole = {n: rows.counts(Slice("all", "true"), n, m) for n, m in margins.items()}
        found = [(s, n, rows.counts(s, n, m)) for s in every for n, m in margins.items()]
    gathered = [_gathered(counts, whole[name]) for _, name, counts in found]
    p_gathered = benjamini_hochberg(gathered)
    p_shifted = benjamini_hochberg([counts.p_shifted for _, _, counts in found])
    results = [
        _judged(s, name, counts, whole[name], float(g), float(m), minimum)
        for (s, name, counts), g, m in zip(found, p_gathered, p_shifted, strict=True)
    ]
    order = {Status.FAIL: 0, Status.INCONCLUSIVE: 1, Status.PASS: 2}
    return sorted(
        results, key=lambda r: (order[r.status], -r.beyond / max(r.rows, 1), -(r.max_abs or 0.0))
    )


def _judged(
    slice_: Slice,
    output: str,
    counts: Counts,
    whole: Counts,
    p_gathered: float,
    p_shifted: float,
    minimum: int,
) -> SliceResult:
    outside = whole.beyond - counts.beyond
    elsewhere = outside / max(whole.rows - counts.rows, 1)
    gathered = p_gathered <= ALPHA and counts.beyond >= GATHERED * elsewhere * counts.rows
    if counts.rows == 0:
        status, note = Status.FAIL, "no request is in this slice; a named slice must not be empty"
    elif gathered:
        status = Status.FAIL
        note = (
            f"{counts.beyond:,} of its {counts.rows:,} answers are beyond the tolerance, "
            f"{outside:,} of {whole.rows - counts.rows:,} elsewhere"
        )
    elif counts.rows < minimum:
        status, note = Status.INCONCLUSIVE, f"{counts.rows:,} requests, {minimum:,} are needed"
    elif p_shifted <= ALPHA:
        status, note = Status.FAIL, f"scores moved by {counts.shift:+.2%} as a whole"
    else:
        status, note = Status.PASS, ""
    return SliceResult(
        slice_,
        output,
        counts.rows,
        counts.beyond,
        outside,
        counts.max_abs,
        counts.bias,
        counts.shift,
        p_gathered,
        p_shifted,
        gathered,
        status,
        note,
    )


def _gathered(part: Counts, whole: Counts) -> float:
    """Chance that `part.beyond` or more of the bad rows fall into a part of that size."""
    total, bad, size = whole.rows, whole.beyond, part.rows
    if part.beyond == 0 or size in (0, total):
        return 1.0

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    every = log_choose(total, size)
    chance = 0.0
    for k in range(part.beyond, min(bad, size) + 1):
        if size - k > total - bad:
            continue
        term = math.exp(log_choose(bad, k) + log_choose(total - bad, size - k) - every)
        chance += term
        if term < chance * 1e-12:
            break
    return min(1.0, chance)
