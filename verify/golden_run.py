"""Every case of a golden folder, in one process or several."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from verify.golden import Case, CaseResult, CheckResult, GoldenPolicy, discover, run_case

__all__ = ["SCHEMA", "GoldenRun", "run_golden", "run_released"]

SCHEMA = "deepbird.golden"
VERSION = 1
# So few cases are done before a second process has imported TensorFlow.
FEW = 12


@dataclass(frozen=True)
class GoldenRun:
    """What came out for every case of a folder.

    Attributes:
        folder: that was checked.
        policy: where the tolerances came from.
        only: prefix of the checks that were made; empty for all.
        results: one a case, sorted by name.
    """

    folder: str
    policy: str
    only: str
    results: tuple[CaseResult, ...]

    @cached_property
    def looked_at(self) -> tuple[CaseResult, ...]:
        """Cases with at least one check."""
        return tuple(result for result in self.results if result.checks)

    @cached_property
    def checks(self) -> tuple[CheckResult, ...]:
        """Every check of every case."""
        return tuple(check for result in self.results for check in result.checks)

    @property
    def cases(self) -> dict[str, int]:
        """Status → number of cases."""
        return dict(Counter(result.status for result in self.looked_at))

    @property
    def not_looked_at(self) -> dict[str, int]:
        """Suite → number of cases that no check applies to."""
        return dict(Counter(result.suite for result in self.results if not result.checks))

    @property
    def worst(self) -> CheckResult | None:
        """The check that comes nearest to, or goes farthest beyond, what is allowed."""
        measured = [check for check in self.checks if check.ratio is not None]
        return max(measured, key=lambda check: check.ratio or 0.0, default=None)

    @property
    def bad(self) -> tuple[CheckResult, ...]:
        """Checks that failed, or could not be made for want of an implementation."""
        return tuple(check for check in self.checks if check.status in ("fail", "unsupported"))

    @property
    def passed(self) -> bool:
        """Something was checked, and nothing failed or was unsupported."""
        return not self.bad and any(check.status == "pass" for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Plain data; no clock in it, so equal results give equal text."""
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "folder": self.folder,
            "policy": self.policy,
            "only": self.only,
            "status": "pass" if self.passed else "fail",
            "cases": {"total": len(self.looked_at), **dict(sorted(self.cases.items()))},
            "checks": {
                "total": len(self.checks),
                **dict(sorted(Counter(check.status for check in self.checks).items())),
            },
            "worst": _plain(self.worst) if self.worst else None,
            "not_looked_at": self.not_looked_at,
            "results": [
                {
                    "case": result.case,
                    "suite": result.suite,
                    "status": result.status if result.checks else "not looked at",
                    "classes": list(result.classes),
                    "note": result.note,
                    "checks": [_plain(check, case=False) for check in result.checks],
                }
                for result in self.results
            ],
        }


def _plain(check: CheckResult, case: bool = True) -> dict[str, Any]:
    """JSON has no infinity: it becomes the text ``inf``."""
    fields = asdict(check)
    if not case:
        del fields["case"]
    infinite = (k for k, v in fields.items() if isinstance(v, float) and not v < float("inf"))
    return fields | {name: str(fields[name]) for name in infinite}


def run_golden(
    folder: str | Path,
    *,
    policy: str | Path | None = None,
    only: str = "",
    workers: int | None = None,
    initializer: Callable[[], None] | None = None,
    progress: Callable[[CaseResult, int], None] | None = None,
) -> GoldenRun:
    """Check every case of a golden folder.

    Args:
        folder: a golden folder, a suite of it, one case, or any folder with cases below it.
        policy: YAML file of tolerances and exclusions; default: the packaged one.
        only: make only checks whose name starts with this.
        workers: processes; default: one a core, or one for few cases.
        initializer: called first in every process.
        progress: called with each result and the number of cases, in order.

    Raises:
        GoldenError: there is no case in the folder.
        PolicyError: the policy cannot be used.
        ValueError: ``only`` names no check, or ``workers`` is no positive number.
    """
    from verify.golden import CHECKS

    if not any(check.name.startswith(only) for check in CHECKS):
        names = ", ".join(check.name for check in CHECKS)
        raise ValueError(f"no check is called {only!r}; the checks are {names}")
    if workers is not None and workers < 1:
        raise ValueError(f"the number of workers must be 1 or more, got {workers}")
    loaded = GoldenPolicy.load(policy)
    cases = discover(Path(folder))
    workers = workers or (1 if len(cases) <= FEW else len(os.sched_getaffinity(0)))
    if workers == 1:
        if initializer is not None:
            initializer()
        found = _here(cases, loaded, only)
    else:
        found = _in_processes(cases, loaded, only, workers, initializer)
    results = []
    for result in found:
        results.append(result)
        if progress is not None:
            progress(result, len(cases))
    return GoldenRun(str(folder), loaded.source, only, tuple(results))


def _here(cases: Iterable[Case], policy: GoldenPolicy, only: str) -> Iterator[CaseResult]:
    for case in cases:
        yield _run(case.folder, policy, only)


def _run(folder: Path, policy: GoldenPolicy, only: str) -> CaseResult:
    return run_released(Case(folder), policy, only)


def run_released(case: Case, policy: GoldenPolicy, only: str = "") -> CaseResult:
    """As :func:`verify.golden.run_case`, and the models of the case are let go."""
    try:
        return run_case(case, policy, only)
    finally:
        if "keras" in sys.modules:
            from verify.engines.round_trip import release

            release()


def _in_processes(
    cases: list[Case],
    policy: GoldenPolicy,
    only: str,
    workers: int,
    initializer: Callable[[], None] | None,
) -> Iterator[CaseResult]:
    """Results in order; a case that kills its process fails, and the others go on."""
    waiting = list(cases)
    while waiting:
        alone = workers == 1
        with ProcessPoolExecutor(
            workers, multiprocessing.get_context("spawn"), _start, (initializer,)
        ) as pool:
            futures = [pool.submit(_run, case.folder, policy, only) for case in waiting]
            try:
                for future in futures:
                    yield future.result()
                    waiting.pop(0)
                return
            except BrokenProcessPool:
                if alone:
                    case = waiting.pop(0)
                    text = "the process died while it checked this case"
                    died = CheckResult(case.name, "process", "fail", detail=text)
                    yield CaseResult(case.name, case.folder.parent.name, checks=(died,))
                workers = 1  # one at a time tells which case it is


def _start(initializer: Callable[[], None] | None) -> None:
    """One thread for each process: the processes share the cores."""
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if initializer is not None:
        initializer()
