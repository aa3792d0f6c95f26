"""Order within each request, request by request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from verify.compare.ranking import ndcg, rank
from verify.report.tree import Cell
from verify.tolerance import Tolerance
from verify.verdict import Status

__all__ = ["RequestOrder", "order_within_requests"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WORST, TOP_K = 20, 10


@dataclass(frozen=True, slots=True)
class RequestOrder:
    """How the order within requests changed.

    Attributes:
        requests: How many there are.
        facts: Figures over all of them.
        rows: The worst: name, rows, tau-b, weighted tau, top overlap, NDCG change, real flips,
            other flips.
        statuses: FAIL for a request with real flips.
    """

    requests: int
    facts: dict[str, Cell]
    rows: tuple[tuple[Cell, ...], ...]
    statuses: tuple[Status, ...]


def order_within_requests(
    v1: Floats,
    v2: Floats,
    groups: Ints,
    names: list[str],
    tolerance: Tolerance,
    labels: Floats | None = None,
    repeat: Floats | None = None,
) -> RequestOrder:
    """Compare the order within each request.

    Args:
        v1: Scores of v1, finite, [rows].
        v2: Scores of v2, finite, [rows].
        groups: Request of each row, from 0 without gaps, [rows].
        names: Name of each request.
        tolerance: Differences inside it are set back to v1's before a flip counts as real.
        labels: Gains for NDCG, [rows].
        repeat: v1's scores of a second run, [rows]: its flips are v1's own noise.
    """
    within = np.abs(v2 - v1) <= tolerance.allowed(v1)
    found = rank(v1, v2, within, groups, TOP_K)
    gain = (
        np.full(len(found.size), np.nan)
        if labels is None
        else ndcg(v2, labels, groups, TOP_K) - ndcg(v1, labels, groups, TOP_K)
    )
    noise = found.flips - found.real_flips
    order = np.lexsort((found.kendall_tau, np.nan_to_num(gain), -noise, -found.real_flips))[:WORST]
    rows = tuple(
        (
            names[g],
            int(found.size[g]),
            *(
                None if np.isnan(figure[g]) else float(figure[g])
                for figure in (found.kendall_tau, found.weighted_tau, found.topk_overlap, gain)
            ),
            int(found.real_flips[g]),
            int(noise[g]),
        )
        for g in order
    )
    facts: dict[str, Cell] = {
        "requests": len(found.size),
        "mean Kendall tau-b": _mean(found.kendall_tau),
        "mean weighted tau": _mean(found.weighted_tau),
        "mean overlap of the top 10": _mean(found.topk_overlap),
        "mean NDCG change": _mean(gain),
        "real flips": int(found.real_flips.sum()),
        "flips inside the noise": int(noise.sum()),
    }
    if repeat is not None:
        own = rank(v1, repeat, np.ones(len(v1), np.bool_), groups, TOP_K)
        facts["flips of v1 against itself"] = int(own.flips.sum())
    statuses = tuple(Status.FAIL if found.real_flips[g] else Status.PASS for g in order)
    return RequestOrder(len(found.size), facts, rows, statuses)


def _mean(values: Floats) -> float | None:
    return None if np.isnan(values).all() else float(np.nanmean(values))
