"""``verify latency``: start engines in pairs, measure, judge, report."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from verify.engines.recorded_latency import RecordedLatency
from verify.latency.budget import Budget
from verify.latency.design import Design
from verify.latency.experiment import Outcome, run_experiment
from verify.latency.fingerprint import fingerprint, load_average
from verify.latency.queue import Responses
from verify.latency.report import make_report
from verify.latency.samples import ORDER, Measure, Segment
from verify.latency.store import write_samples
from verify.latency.target import Target
from verify.latency.worker import Worker
from verify.report.tree import Report

__all__ = ["Notes", "read_requests", "verify_latency"]


@dataclass
class Notes:
    """What a reader should know beside the figures.

    Attributes:
        engines: role → what exactly answered.
        remote: roles whose engine runs elsewhere and is not started afresh.
        unsteady: roles whose engine was still getting faster or slower when measuring began.
        load: load average at the start and at the end.
        foreign: what differs between this machine and the one of a recording; None without one.
        cpu: the processor that the engines shared; None where the system chose.
    """

    engines: dict[str, str] = field(default_factory=dict)
    remote: set[str] = field(default_factory=set)
    unsteady: set[str] = field(default_factory=set)
    load: tuple[float, float] = (0.0, 0.0)
    foreign: list[str] | None = None
    cpu: int | None = None


def read_requests(path: Path, batch: int, most: int = 256) -> list[list[bytes]]:
    """Requests of ``batch`` records each, at most ``most`` of them.

    Raises:
        ValueError: the file holds fewer records than one request takes.
        DataError: it holds no records.
    """
    from deepbird_v2.data import read_records

    records = list(read_records(path))
    if not 1 <= batch <= len(records):
        raise ValueError(f"{path}: {len(records)} records make no request of {batch}")
    starts = range(0, min(len(records) - batch + 1, batch * most), batch)
    return [records[start : start + batch] for start in starts]


def verify_latency(
    v1: Target,
    v2: Target,
    requests: Sequence[Sequence[bytes]],
    *,
    budgets: Sequence[Budget] | None = None,
    design: Design | None = None,
    cpu: int | None = None,
    folder: Path | None = None,
    command: str | None = None,
) -> Report:
    """Compare latencies.

    Args:
        v1: the reference, or a recording of it.
        v2: the candidate.
        requests: encoded DataRecords, a list a request.
        budgets: limits; None for the default ones.
        design: how long to measure.
        cpu: processor that the engines share; None: the last one this process may use.
        folder: where ``latency.json`` goes.
        command: how to produce the report again.

    Raises:
        WorkerError: an engine does not start or fails.
        ValueError: v2 is a recording, or a recording cannot be used.
    """
    if v2.kind == "recorded":
        raise ValueError(f"{v2.where}: v2 has to be measured; only v1 can be a recording")
    design = design or Design()
    notes = Notes(
        remote={role for role, target in (("v1", v1), ("v2", v2)) if target.remote},
        cpu=cpu if cpu is not None else _last_processor(),
    )
    recorded = None
    if v1.kind == "recorded":
        design = replace(design, seconds=math.inf)  # a recording's turns are cut in advance
        turns = design.rounds * ORDER.count(0)
        recorded = RecordedLatency(Path(v1.where), design.most_restarts, design.blocks, turns)
        notes.foreign = _differences(recorded.fingerprint, fingerprint())
    engines = _Engines({"v1": v1, "v1_repeat": v1, "v2": v2}, requests, design, notes, recorded)
    before = load_average()
    outcome = run_experiment(engines.start, budgets, design, control=recorded is None)
    notes.load = (before, load_average())
    if folder is not None:
        write_samples(folder, outcome.samples, fingerprint())
    return _report(outcome, notes, engines, {"v1": v1.where, "v2": v2.where}, command)


def _report(
    outcome: Outcome, notes: Notes, engines: _Engines, roles: dict[str, str], command: str | None
) -> Report:
    per_restart = engines.seconds / max(engines.started, 1)
    described = {
        r: f"{w}: {notes.engines[r]}" if r in notes.engines else w for r, w in roles.items()
    }
    return make_report(outcome, notes, described, per_restart, fingerprint(), command)


@dataclass
class _Engines:
    """Starts pairs; see `verify.latency.experiment.Start`."""

    targets: dict[str, Target]
    requests: Sequence[Sequence[bytes]]
    design: Design
    notes: Notes
    recorded: RecordedLatency | None
    seconds: float = 0.0
    started: int = 0

    @contextmanager
    def start(self, pair: tuple[str, str], restart: int) -> Iterator[Measure]:
        from verify.latency.schedule import SystemClock

        begin = SystemClock.now()
        with ExitStack() as stack:
            runners = [self._runner(role, restart, stack) for role in pair]
            measured = [w for w in runners if isinstance(w, Worker)]
            for role, runner in zip(pair, runners, strict=True):
                self._await(role, runner)
            rate = self.design.utilization / measured[0].service
            turn, responses = [0, 0], [Responses(rate) for _ in pair]

            def measure(role: int) -> Segment:
                number, runner = turn[role], runners[role]
                turn[role] += 1
                if isinstance(runner, RecordedLatency):
                    return runner.segment(restart, number)
                count = self.design.requests
                # Both engines get the same requests, each in its turn.
                return responses[role].of(runner.segment(number * count, count, rate))

            yield measure
        self.seconds += SystemClock.now() - begin
        self.started += 1

    def _runner(self, role: str, restart: int, stack: ExitStack) -> Any:
        if self.recorded is not None and role == "v1":
            return self.recorded
        return stack.enter_context(Worker(self.targets[role], self.requests, self.notes.cpu))

    def _await(self, role: str, runner: Any) -> None:
        if isinstance(runner, Worker):
            runner.warm_up()
            self.notes.engines[role] = runner.description
            if not runner.steady:
                self.notes.unsteady.add(role)


def _last_processor() -> int | None:
    return max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _differences(theirs: dict[str, str], ours: dict[str, str]) -> list[str]:
    if not theirs:
        return ["nothing says which machine recorded v1"]
    names = sorted(theirs.keys() | ours.keys())
    return [f"{n}: {theirs.get(n)} → {ours.get(n)}" for n in names if theirs.get(n) != ours.get(n)]
