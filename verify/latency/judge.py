"""From intervals to checks: the bound against the budget, with identical engines as the control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verify.latency.budget import Budget
from verify.latency.samples import Samples
from verify.latency.statistics import RatioInterval, percentile_ratio
from verify.verdict import Check, Stage, Status

__all__ = ["Judged", "judge"]


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

    @property
    def apart(self) -> bool:
        """Whether identical engines surely differ."""
        return self.control is not None and self.control.excludes_equality

    @property
    def noise(self) -> Check | None:
        """Whether identical engines differ by no more than the limit allows."""
        if self.control is None:
            return None
        control, limit = self.control, self.budget.ratio or 1.0
        beyond = self.apart and max(control.estimate, 1 / control.estimate) > limit
        status = Status.INCONCLUSIVE if beyond else Status.PASS
        detail = f"v1 against itself: between {control.low:.3f} and {control.high:.3f}"
        return Check(self.budget.name, Stage.NOISE, status, detail)


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
