"""The latency report: verdict, percentiles, curves, the control, the price of a finer look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from verify.latency.budget import METRICS
from verify.latency.experiment import Outcome
from verify.latency.histogram import bucket_edges, percentile
from verify.latency.judge import Judged
from verify.latency.statistics import percentile_ratio, restarts_to_see
from verify.report.tree import (
    Bin,
    Column,
    Curve,
    Curves,
    Facts,
    Finding,
    Findings,
    Histogram,
    Report,
    Section,
    Series,
    Table,
)
from verify.verdict import Check, Stage, Status, Verdict

if TYPE_CHECKING:
    from verify.latency.check import Notes

__all__ = ["make_report"]

PERCENTS = (50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9)
CURVE = (*range(1, 100), *(99 + tenths / 10 for tenths in range(1, 10)))
SEEN = 0.05  # the difference whose price in time a report states
BARS = 60


def make_report(
    outcome: Outcome,
    notes: Notes,
    roles: Mapping[str, str],
    seconds: float,
    machine: Mapping[str, str],
    command: str | None,
) -> Report:
    """Put an outcome into words and tables.

    Args:
        outcome: of the experiment.
        notes: beside the figures.
        roles: role → what it is.
        seconds: that a process restart takes.
        machine: its fingerprint.
        command: how to produce the report again.
    """
    checks = outcome.checks + _foreign(notes)
    sections = [
        Section(
            "Limits", (_limits(outcome), *_findings(outcome, notes, seconds)), text=_how(outcome)
        ),
        *(_metric_section(outcome, metric) for metric in outcome.samples.metrics),
    ]
    provenance = {
        **machine,
        "engines' processor": notes.cpu,
        "load at the start": round(notes.load[0], 2),
        "load at the end": round(notes.load[1], 2),
        "seconds a restart": round(seconds, 2),
    }
    return Report(
        title="Latency",
        verdict=Verdict.combine(checks),
        roles=roles,
        sections=tuple(sections),
        provenance=provenance,
        command=command,
    )


def _how(outcome: Outcome) -> str:
    design = outcome.design
    return (
        f"{len(outcome.samples.restarts)} process restarts of both engines, {design.blocks} blocks "
        f"each of {design.rounds} rounds v1, v2, v2, v1, {design.requests} requests a turn one "
        "after another and as many on a schedule that keeps v1 busy "
        f"{design.utilization:.0%} of the time. A limit is kept or broken where the whole "
        f"{design.confidence:.1%} interval says so."
    )


def _limits(outcome: Outcome) -> Table:
    columns = (
        Column("limit"),
        Column("v2 / v1", help="geometric mean over process restarts; ms for an absolute limit"),
        Column("low"),
        Column("high"),
        Column("v1 / v1 low", help="identical engines, measured the same way"),
        Column("v1 / v1 high"),
    )
    rows = tuple(
        (
            str(j.budget),
            *(v * (1e3 if j.budget.seconds else 1) for v in _bounds(j.interval)),
            *((j.control.low, j.control.high) if j.control else (None, None)),
        )
        for j in outcome.judged
    )
    return Table(columns, rows, statuses=tuple(j.check.status for j in outcome.judged))


def _bounds(interval: Any) -> tuple[float, float, float]:
    return interval.estimate, interval.low, interval.high


def _foreign(notes: Notes) -> list[Check]:
    if not notes.foreign:
        return []
    detail = "v1 was recorded elsewhere: " + "; ".join(notes.foreign)
    return [Check("machine", Stage.NOISE, Status.INCONCLUSIVE, detail)]


def _findings(outcome: Outcome, notes: Notes, seconds: float) -> list[Findings]:
    found = [
        Finding(
            Status.INCONCLUSIVE,
            f"{role} was not steady when measuring began",
            hint="its caches or its compiler were still warming up; look at the drift over blocks",
        )
        for role in sorted(notes.unsteady)
    ]
    found += [
        Finding(
            Status.INCONCLUSIVE,
            f"{role} runs elsewhere: its process was not started afresh",
            hint="the bounds hold for that process; run the check again after a restart of it",
        )
        for role in sorted(notes.remote)
    ]
    found += [_price(j, outcome, seconds) for j in outcome.judged]
    return [Findings(tuple(found), title="How fine this look was")] if found else []


def _price(judged: Judged, outcome: Outcome, seconds: float) -> Finding:
    confidence = outcome.design.confidence
    needed = restarts_to_see(SEEN, judged.interval, confidence)
    minutes = needed * seconds / 60
    seen = needed <= judged.interval.restarts
    text = (
        f"{judged.budget.name}: {SEEN:.0%} is seen with {needed:,} restarts "
        f"(about {minutes:.1f} minutes); this run had {judged.interval.restarts}"
    )
    return Finding(Status.PASS if seen else Status.INCONCLUSIVE, text)


def _metric_section(outcome: Outcome, metric: str) -> Section:
    pooled = outcome.samples.pooled(metric)
    histograms = outcome.samples.of(metric)
    rows = []
    for percent in PERCENTS:
        v1, v2 = percentile(pooled, percent) * 1e3
        ratio = percentile_ratio(histograms, percent, outcome.design.confidence)
        rows.append((f"p{percent:g}", float(v1), float(v2), ratio.estimate, ratio.low, ratio.high))
    columns = (
        Column("percentile"),
        Column("v1", "ms"),
        Column("v2", "ms"),
        Column("v2 / v1"),
        Column("low"),
        Column("high"),
    )
    totals = pooled.sum(axis=1)
    facts = Facts({"requests to v1": int(totals[0]), "requests to v2": int(totals[1])})
    return Section(
        metric.capitalize(),
        (facts, Table(columns, tuple(rows)), _curves(metric, pooled), _histogram(metric, pooled)),
        text=METRICS.get(metric, "").capitalize() + ".",
    )


def _curves(metric: str, pooled: Any) -> Curves:
    """Latency over percentiles, each nine as wide as the one before."""
    points = [(_nines(p), percentile(pooled, p) * 1e3) for p in CURVE]
    curves = tuple(
        Curve(role, tuple((place, float(ms[i])) for place, ms in points))
        for i, role in enumerate(("v1", "v2"))
    )
    ticks = {f"p{p:g}": _nines(p) for p in (50.0, 90.0, 99.0, 99.9)}
    return Curves(f"{metric}: percentiles", "percentile", "ms", curves, ticks=ticks)


def _nines(percent: float) -> float:
    return -math.log10(1 - percent / 100)


def _histogram(metric: str, pooled: Any) -> Histogram:
    filled = np.flatnonzero(pooled.sum(axis=0))
    first, last = int(filled[0]), int(filled[-1]) + 1
    width = max(1, -(-(last - first) // BARS))
    starts = np.arange(first, last, width)
    edges = bucket_edges() * 1e3
    series = []
    for role, histogram in zip(("v1", "v2"), pooled, strict=True):
        sums = np.add.reduceat(histogram[first:last], starts - first)
        bins = (
            Bin(float(edges[s]), float(edges[min(int(s) + width, last)]), int(c))
            for s, c in zip(starts, sums, strict=True)
        )
        series.append(Series(role, tuple(bins)))
    return Histogram(f"{metric}: all requests", "ms", tuple(series), logarithmic=True)
