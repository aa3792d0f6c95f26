"""Identical engines first, then v1 and v2, restarted until every limit is decided or time is up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from verify.latency.budget import Budget, default_budgets
from verify.latency.design import Design
from verify.latency.judge import Judged, judge
from verify.latency.samples import Measure, Samples, measure_restart
from verify.verdict import Check, Status

__all__ = ["Outcome", "Start", "run_experiment"]

# Starts a pair of engines afresh: ("v1", "v1_repeat") or ("v1", "v2"), and the restart's number.
Start = Callable[[tuple[str, str], int], AbstractContextManager[Measure]]


@dataclass(frozen=True)
class Outcome:
    """What an experiment gave.

    Attributes:
        design: how it was laid out.
        judged: a limit each.
        samples: v1 and v2.
        control: v1 and v1 again; None where v1 cannot be run.
    """

    design: Design
    judged: tuple[Judged, ...]
    samples: Samples
    control: Samples | None

    @property
    def checks(self) -> list[Check]:
        """The limits', then what identical engines say of the machine."""
        noise = [j.noise for j in self.judged]
        return [j.check for j in self.judged] + [check for check in noise if check]


def run_experiment(
    start: Start, budgets: Sequence[Budget] | None, design: Design, *, control: bool = True
) -> Outcome:
    """Measure and judge.

    Args:
        start: starts engines.
        budgets: the limits; None for the default ones.
        design: how long.
        control: measure v1 against itself first.
    """
    same = None
    if control:
        same = Samples()
        _more(same, start, ("v1", "v1_repeat"), design.restarts, design)
    samples = Samples()
    judged: list[Judged] = []
    for restarts in design.looks:
        # Identical engines that seem apart may be so by chance: more of them will tell.
        if same is not None and any(j.apart for j in judged):
            _more(same, start, ("v1", "v1_repeat"), restarts, design)
        _more(samples, start, ("v1", "v2"), restarts, design)
        limits = default_budgets(samples.metrics) if budgets is None else budgets
        judged = judge(limits, samples, same, design.confidence)
        if not any(j.check.status is Status.INCONCLUSIVE for j in judged):
            break
    return Outcome(design, tuple(judged), samples, same)


def _more(
    samples: Samples, start: Start, pair: tuple[str, str], restarts: int, design: Design
) -> None:
    while len(samples.restarts) < restarts:
        with start(pair, len(samples.restarts)) as measure:
            restart = measure_restart(measure, design.blocks, design.rounds, design.seconds)
            samples.restarts.append(restart)
