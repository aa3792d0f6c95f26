"""A golden run as a report: verdict, a row a check that did not pass, and a row a suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from verify.golden import CheckResult
from verify.golden_run import GoldenRun
from verify.report.tree import Cell, Column, Facts, Finding, Findings, Report, Section, Table
from verify.verdict import Check, Stage, Status, Verdict

__all__ = ["summary", "to_report"]

STATUS = {"pass": Status.PASS, "fail": Status.FAIL, "unsupported": Status.FAIL}
SHOWN = 50


def summary(run: GoldenRun) -> list[str]:
    """What a terminal shows after a run."""
    counts = Counter(check.status for check in run.checks)
    lines = [
        f"{check.status:11} {check.case} {check.check}: {check.detail}" for check in run.bad[:SHOWN]
    ]
    if len(run.bad) > SHOWN:
        lines.append(f"... and {len(run.bad) - SHOWN} more")
    lines += [
        f"{len(run.looked_at)} cases: {_counted(run.cases)}",
        f"{len(run.checks)} checks: {_counted(counts)}",
    ]
    if run.worst is not None:
        lines.append(f"worst: {_worst(run.worst)}")
    if run.not_looked_at:
        left = ", ".join(f"{suite} ({n})" for suite, n in sorted(run.not_looked_at.items()))
        lines.append(f"not looked at: {left}")
    lines.append("PASS" if run.passed else "FAIL")
    return lines


def _counted(counts: Mapping[Any, int]) -> str:
    order = ("pass", "fail", "unsupported", "excluded")
    return ", ".join(f"{counts[name]} {name}" for name in order if counts.get(name)) or "none"


def _worst(check: CheckResult) -> str:
    return (
        f"{check.case} {check.check}, {check.ratio:.3g} of what is allowed "
        f"(error {check.error:.3g}, allowed {check.allowed:.3g})"
    )


def to_report(run: GoldenRun, command: str | None = None) -> Report:
    """The report of a run.

    Args:
        run: its results.
        command: how to produce them again.
    """
    checks = [_check(check) for check in run.checks if check.status != "excluded"]
    worst = {"worst": _worst(run.worst)} if run.worst else {}
    facts: dict[str, Cell] = {
        "cases": len(run.looked_at),
        "checks": len(run.checks),
        **{f"checks: {name}": n for name, n in Counter(c.status for c in run.checks).items()},
        **worst,
        **{f"not looked at: {suite}": f"{n} cases" for suite, n in run.not_looked_at.items()},
    }
    sections = [Section("Golden cases", (Facts(facts), _suites(run)))]
    if run.bad:
        findings = tuple(
            Finding(Status.FAIL, f"{c.check}: {c.detail}", location=c.case) for c in run.bad
        )
        sections.insert(0, Section("What did not pass", (Findings(findings),)))
    excluded = Counter((c.check, c.detail) for c in run.checks if c.status == "excluded")
    if excluded:
        columns = (Column("check"), Column("cases"), Column("reason"))
        rows = tuple((name, n, reason) for (name, reason), n in sorted(excluded.items()))
        sections.append(Section("Checks that were not made", (Table(columns, rows),)))
    return Report(
        title=f"Golden cases of {run.folder}",
        verdict=Verdict.combine(checks),
        roles={"v1": f"real Torch: {run.folder}", "v2": "the converted models"},
        sections=tuple(sections),
        provenance={"policy": run.policy},
        command=command,
    )


def _check(check: CheckResult) -> Check:
    gradients = check.check.endswith("backward")
    stage = Stage.GRADIENTS if gradients else Stage.VALUES
    measured = f"{check.ratio:.3g} of what is allowed" if check.ratio is not None else "same"
    numbers = {"error": check.error, "allowed": check.allowed, "ratio": check.ratio}
    return Check(
        f"{check.case} {check.check}",
        stage,
        STATUS[check.status],
        check.detail or measured,
        numbers,
        check.case,
    )


def _suites(run: GoldenRun) -> Table:
    columns = tuple(map(Column, ("suite", "cases", "checks", "not passed", "worst ratio")))
    rows = []
    for suite in sorted({result.suite for result in run.looked_at}):
        results = [result for result in run.looked_at if result.suite == suite]
        checks = [check for result in results for check in result.checks]
        bad = sum(check.status in ("fail", "unsupported") for check in checks)
        ratio = max((check.ratio for check in checks if check.ratio is not None), default=None)
        rows.append((suite, len(results), len(checks), bad, ratio))
    return Table(columns, tuple(rows))
