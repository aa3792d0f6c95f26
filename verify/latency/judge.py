"""From intervals to checks: the bound against the budget, with identical engines as the control."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from verify.latency.budget import Budget
from verify.latency.samples import Samples
from verify.latency.statistics import RatioInterval, percentile_ratio
from verify.verdict import Check, Stage, Status

__all__ = ["Design", "Judged", "judge"]


@dataclass(frozen=True)
class Design:
    """How long to measure, and how sure to be.

    Attributes:
        restarts: process restarts before the first look.
        most_restarts: restarts after which an open question stays open.
        blocks: ABBA blocks a restart.
        requests: a stretch, one after another and again on a schedule.
        error: chance of a wrong PASS or FAIL of one limit, over all looks.
        utilization: share of time that a v1 engine is busy on the schedule.
    """

    restarts: int = 5
    most_restarts: int = 20
    blocks: int = 60
    requests: int = 10
    error: float = 0.01
    utilization: float = 0.4

    def __post_init__(self) -> None:
        if not 2 <= self.restarts <= self.most_restarts:
            raise ValueError("at least 2 restarts, and no fewer at most than at least")
        if min(self.blocks, self.requests) < 1 or not 0 < self.error < 0.5:
            raise ValueError("blocks and requests are 1 or more, error lies between 0 and 0.5")
        if not 0 < self.utilization < 0.9:
            raise ValueError("utilization lies between 0 and 0.9")

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of restarts after which the bounds are looked at."""
        counts = [self.restarts]
        while counts[-1] < self.most_restarts:
            counts.append(min(math.ceil(counts[-1] * 1.6), self.most_restarts))
        return tuple(counts)

    @property
    def confidence(self) -> float:
        """Of one look's two-sided interval: each bound errs with ``error`` over all looks."""
        return 1 - 2 * self.error / len(self.looks)


@dataclass(frozen=True)
class Judged:
    """One limit.

    Attributes:
        budget: the limit.
        interval: v2 / v1, or v2.
        control: v1 / v1 of separate processes; None without a control.
        check: how it came out.
    """

    budget: Budget
    interval: RatioInterval
    control: RatioInterval | None
    check: Check


def judge(
    budgets: Sequence[Budget], samples: Samples, control: Samples | None, confidence: float
) -> list[Judged]:
    """Judge each limit whose metric was measured.

    Args:
        budgets: the limits.
        samples: v1 and v2.
        control: v1 and v1 again; None where v1 cannot be run.
        confidence: of the two-sided intervals.
    """
    return [_judge(b, samples, control, confidence) for b in budgets if b.metric in samples.metrics]


def _judge(budget: Budget, samples: Samples, control: Samples | None, confidence: float) -> Judged:
    absolute = budget.seconds is not None
    limit = budget.seconds or budget.ratio or 0.0
    histograms = samples.of(budget.metric)
    interval = percentile_ratio(histograms, budget.percent, confidence, absolute=absolute)
    same = None
    if control is not None and not absolute and budget.metric in control.metrics:
        same = percentile_ratio(control.of(budget.metric), budget.percent, confidence)
    # What identical engines are surely apart by is the machine's, not v2's.
    bias = max(same.estimate, 1 / same.estimate) if same and same.excludes_equality else 1.0
    if interval.high * bias <= limit:
        status = Status.PASS
    elif interval.low > limit * bias:
        status = Status.FAIL
    else:
        status = Status.INCONCLUSIVE
    numbers = {
        "estimate": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "limit": limit,
        "confidence": confidence,
        "restarts": interval.restarts,
    }
    check = Check(budget.name, Stage.LATENCY, status, _detail(budget, interval), numbers)
    return Judged(budget, interval, same, check)


def _detail(budget: Budget, interval: RatioInterval) -> str:
    if budget.seconds is not None:
        low, middle, high = (
            f"{s * 1e3:.4g}" for s in (interval.low, interval.estimate, interval.high)
        )
        return f"{middle} ms, between {low} and {high} ms; {budget}"
    low, middle, high = (f"{r:.3f}" for r in (interval.low, interval.estimate, interval.high))
    return f"{middle} of v1, between {low} and {high}; {budget}"
