"""``verify training``: does v2 learn what v1 learnt, step by step?

A recorded v1 run is repeated twice, by the oracle and by the converted model in TensorFlow. What
may differ is what rounding alone makes of v1's own run: the oracle repeats it with parameters and
gradients of every step moved by at most one unit in the last place, and the spread of those runs is
the envelope.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from migrate.graph import walk
from verify.compare.training import FACTOR, Envelope, Record, drift, first_leak, scale
from verify.oracle.training import OracleTraining
from verify.report.tree import (
    Column,
    Curve,
    Curves,
    Facts,
    Finding,
    Findings,
    Report,
    Section,
    Table,
)
from verify.traces import Trace, TraceError, load_traces
from verify.verdict import Check, Stage, Status, Verdict

__all__ = ["Comparison", "compare_training", "verify_training"]

Array = np.ndarray[Any, Any]
RUNS = 4  # perturbed ones
FIRST = {4: 1e-6, 8: 1e-12}  # of the first loss, relative, by size of the type


@dataclass
class Comparison:
    """A v1 run beside the oracle's and v2's.

    Attributes:
        trace: the run.
        losses: (step, v1, oracle, v2, allowed).
        v1_oracle: parameters of v1 and the oracle, at the recorded steps, 0 being the start.
        v1_v2: parameters of v1 and v2, at the recorded steps.
        oracle_v2: parameters of the oracle and v2, at every step.
        averages: what asgd averaged, v1 and v2, at the recorded steps.
        ends: what is left after the last step, of v1 and v2: state and running statistics.
    """

    trace: Trace
    losses: list[tuple[int, float, float, float, float]] = field(default_factory=list)
    v1_oracle: list[Record] = field(default_factory=list)
    v1_v2: list[Record] = field(default_factory=list)
    oracle_v2: list[Record] = field(default_factory=list)
    averages: list[Record] = field(default_factory=list)
    ends: list[Record] = field(default_factory=list)


def oracle_training(trace: Trace, nudge: int | None = None) -> OracleTraining:
    """The oracle at the start of a trace."""
    return OracleTraining(
        trace.module,
        trace.criterion,
        trace.method,
        trace.config,
        trace.layout,
        trace.seed,
        trace.permuted,
        nudge,
    )


def compare_training(trace: Trace) -> Comparison:
    """Repeat a trace in the oracle and in TensorFlow."""
    from verify.engines.training import V2Training

    oracle, v2 = oracle_training(trace), V2Training(trace)
    runs = [oracle_training(trace, nudge) for nudge in range(RUNS)]
    result, layout = Comparison(trace), trace.layout
    envelope, averaged = Envelope(layout), Envelope(layout)
    if 0 in trace.params:  # all start from the same values, bit for bit
        start, exact = trace.params[0], [0.0] * len(layout.paths)
        result.v1_oracle.append(Record.of(0, layout, start, oracle.x, exact))
        result.v1_v2.append(Record.of(0, layout, start, v2.x, exact))
    for step in range(1, trace.steps + 1):
        inputs, target = trace.batch(step)
        loss, ours = oracle.step(inputs, target)[0], v2.step(inputs, target)[0]
        spread = [(run.step(inputs, target)[0], run) for run in runs]
        envelope.widen(oracle.x, loss, [(run.x, value) for value, run in spread])
        theirs = float(trace.losses[step - 1])
        # What is not finite allows nothing: it must be the same on both sides.
        may = envelope.allowed_loss(theirs if math.isfinite(theirs) else 0.0, oracle.x.dtype)
        result.losses.append((step, theirs, loss, ours, may))
        x, allowed = v2.x, envelope.allowed(oracle.x)
        result.oracle_v2.append(Record.of(step, layout, oracle.x, x, allowed))
        if step in trace.params:
            recorded = trace.params[step]
            result.v1_oracle.append(Record.of(step, layout, recorded, oracle.x, allowed))
            result.v1_v2.append(Record.of(step, layout, recorded, x, allowed))
        if trace.averages:
            mean = oracle.state["ax"]
            averaged.widen(mean, loss, [(run.state["ax"], value) for value, run in spread])
        if step in trace.averages:
            pair = trace.averages[step], v2.state["ax"]
            result.averages.append(Record.of(step, layout, *pair, averaged.allowed(mean)))
    result.ends = _ends(trace, oracle, runs, v2)
    return result


def _ends(
    trace: Trace, oracle: OracleTraining, runs: list[OracleTraining], v2: Any
) -> list[Record]:
    """One record each of what v1 left after the last step beside the parameters."""
    rows: list[tuple[float, float, str]] = []
    state = v2.state
    for name, recorded in (trace.state or {}).items():
        if name in state and name in oracle.state:
            spread = [run.state[name] for run in runs]
            rows.append(_end(f"state.{name}", recorded, state[name], oracle.state[name], spread))
    if trace.final is not None:
        ours = v2.statistics()
        known = _statistics(oracle, trace)
        perturbed = [_statistics(run, trace) for run in runs]
        for module in walk(trace.final):
            for field_name in ("running_mean", "running_var"):
                path = f"{module.path}.{field_name}".lstrip(".")
                if field_name in module.tensors and path in ours:
                    spread = [p[path] for p in perturbed]
                    recorded = module.array(field_name)
                    rows.append(_end(path, recorded, ours[path], known[path], spread))
    return [Record(trace.steps, [off], [limit], [name]) for off, limit, name in rows]


def _end(name: str, v1: Any, v2: Any, oracle: Any, spread: list[Any]) -> tuple[float, float, str]:
    values = [np.asarray(value).reshape(-1) for value in (v1, v2, oracle, *spread)]
    theirs, ours, base, *others = (v.astype(np.float64) for v in values)
    width = max((drift(base, other) for other in others), default=0.0)
    unit = scale(values[0]) if values[0].dtype.kind == "f" else 0.0
    return drift(theirs, ours), FACTOR * (width + unit), name


def _statistics(training: OracleTraining, trace: Trace) -> dict[str, Array]:
    found = {}
    for module in walk(trace.module):
        for name in ("running_mean", "running_var"):
            if name in module.tensors:
                op = training.env.build(module)
                found[f"{module.path}.{name}".lstrip(".")] = np.asarray(getattr(op, name))
    return found


# --- the verdict ----------------------------------------------------------------------------------


def verify_training(
    folder: str | Path, *, only: str | None = None, command: str | None = None
) -> Report:
    """Repeat the v1 runs recorded in a folder, and say whether v2 learns the same.

    Args:
        folder: see :mod:`verify.traces`.
        only: name of the one trace to run, of several.
        command: how to produce the report again.

    Raises:
        TraceError: the folder holds no trace.
    """
    traces = load_traces(folder)
    if only is not None:
        names = ", ".join(trace.name for trace in traces)
        traces = [trace for trace in traces if trace.name == only]
        if not traces:
            raise TraceError(f"{folder}: no trace {only!r}; there are {names}")
    results = [compare_training(trace) for trace in traces]
    checks = [check for result in results for check in _checks(result)]
    sections = [_section(result) for result in results]
    findings = [finding for result in results for finding in _findings(result)]
    if findings:
        sections.insert(0, Section("Where to look", (Findings(tuple(findings)),)))
    return Report(
        title=f"Training of {', '.join(trace.name for trace in traces)}",
        verdict=Verdict.combine(checks),
        roles={
            "v1": f"recorded in {folder}",
            "v2": "the converted model, trained by TensorFlow",
            "oracle32": f"v1's definitions, run once as it is and {RUNS} times perturbed",
        },
        sections=tuple(sections),
        command=command,
    )


def _checks(result: Comparison) -> Iterator[Check]:
    name = result.trace.name
    first = result.losses[0]
    off = abs(first[3] - first[1]) / (abs(first[1]) or 1.0)
    limit = FIRST[next(iter(result.trace.params.values())).dtype.itemsize]
    yield Check(
        f"{name}: loss of step 1",
        Stage.TRAINING,
        Status.PASS if off <= limit else Status.FAIL,
        f"v1 {first[1]:.9g}, v2 {first[3]:.9g}: off by {off:.3g} of it, allowed {limit:g}",
        {"relative_error": off},
    )
    compared = {
        "parameters, v1 and v2": result.v1_v2,
        "losses, v1 and v2": list(_loss_records(result, 3)),
        "parameters, oracle and v2, every step": result.oracle_v2,
        "parameters, v1 and oracle": result.v1_oracle,
    }
    if result.averages:
        compared["averages, v1 and v2"] = result.averages
    if result.ends:
        compared["state after the last step, v1 and v2"] = result.ends
    for what, records in compared.items():
        yield _check(f"{name}: {what}", records)


def _loss_records(result: Comparison, column: int) -> Iterator[Record]:
    for row in result.losses:
        error = drift(np.array(row[1]), np.array(row[column]))
        yield Record(row[0], [error], [row[4]], ["loss"])


def _check(name: str, records: list[Record]) -> Check:
    leak = first_leak(records)
    if leak is None and not any(record.step for record in records):
        detail = "v1 recorded no step to compare"
        return Check(name, Stage.TRAINING, Status.INCONCLUSIVE, detail)
    if leak is None:
        steps = sorted({record.step for record in records})
        text = f"{len(records)} comparisons to step {steps[-1]}, all within the envelope"
        return Check(name, Stage.TRAINING, Status.PASS, text)
    more = f", and {leak.others} more" if leak.others else ""
    detail = (
        f"step {leak.step}: {leak.name} is off by {leak.error:.3g}, "
        f"the envelope allows {leak.allowed:.3g}{more}"
    )
    place = f"step {leak.step}, {leak.name}"
    return Check(name, Stage.TRAINING, Status.FAIL, detail, {"step": leak.step}, place)


def _findings(result: Comparison) -> Iterator[Finding]:
    v2, oracle = first_leak(result.v1_v2), first_leak(result.v1_oracle)
    between = first_leak(result.oracle_v2)
    name = result.trace.name
    if between is not None:
        yield Finding(
            Status.FAIL,
            f"{name}: v2 does not do what the oracle does from step {between.step} on",
            f"step {between.step}, {between.name}",
            "the converted model or its optimizer computes something else",
        )
    elif v2 is not None and oracle is not None:
        yield Finding(
            Status.FAIL,
            f"{name}: v2 and the oracle agree with each other, and both leave v1",
            f"step {v2.step}, {v2.name}",
            f"v1 did not train with these options or this random stream: "
            f"{result.trace.method} {dict(result.trace.config)}",
        )


def _section(result: Comparison) -> Section:
    trace = result.trace
    facts: Mapping[str, Any] = {
        "method": trace.method,
        "options": ", ".join(f"{k}={_short(v)}" for k, v in trace.config.items()) or "Torch's own",
        "steps": trace.steps,
        "parameters": trace.layout.size,
    }
    rows = tuple(_row(record, pair) for pair, records in _pairs(result) for record in records)
    columns = tuple(map(Column, ("pair", "step", "parameter", "error", "allowed")))
    return Section(
        trace.name, (Facts(facts), _plot(result), Table(columns, rows, "Recorded steps"))
    )


def _short(value: Any) -> str:
    return f"{np.size(value)} numbers" if np.size(value) > 1 else str(value)


def _pairs(result: Comparison) -> list[tuple[str, list[Record]]]:
    return [
        ("v1, v2", result.v1_v2 + result.ends),
        ("averages of v1, v2", result.averages),
        ("v1, oracle32", result.v1_oracle),
    ]


def _row(record: Record, pair: str) -> tuple[str | int | float, ...]:
    """The item that is furthest out, or nearest to it."""
    ratios = record.ratios()
    worst = ratios.index(max(ratios))
    return pair, record.step, record.names[worst], record.error[worst], record.allowed[worst]


def _plot(result: Comparison) -> Curves:
    def curve(name: str, records: list[Record], limits: bool = False) -> Curve:
        points = [(float(r.step), max(r.allowed if limits else r.error)) for r in records]
        return Curve(name, tuple(points))

    leak = first_leak(result.v1_v2) or first_leak(result.oracle_v2)
    return Curves(
        "Drift of the parameters",
        "step",
        "largest difference",
        (
            curve("oracle32 and v2", result.oracle_v2),
            curve("v1 and v2", result.v1_v2),
            curve("allowed", result.oracle_v2, limits=True),
        ),
        {"leaves the envelope": float(leak.step)} if leak else {},
    )
