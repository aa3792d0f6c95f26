"""Two prediction sets, one verdict: what `deepbird diff` runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from verify.compare.align import Alignment, join
from verify.compare.column import ColumnComparison, compare_column
from verify.policy import Policy
from verify.predictions import PredictionSet, missing_column, named_by_feature
from verify.report.column_section import column_section, summary_section
from verify.report.tree import Finding, Findings, Report, Section
from verify.verdict import Check, Stage, Status, Verdict

if TYPE_CHECKING:
    from verify.compare.ranking import Ints
    from verify.compare.values import Array


def diff(
    v1: PredictionSet,
    v2: PredictionSet,
    policy: Policy | None = None,
    columns: Mapping[str, str] | None = None,
    *,
    command: str | None = None,
    today: dt.date | None = None,
) -> Report:
    """Compare two sets of predictions.

    The stages run in order: names, shapes, dtypes, join, NaN/Inf pattern, values, logits, ranking,
    calibration (with labels), distribution. Where columns or rows cannot be brought together
    nothing behind that is computed.

    Args:
        v1: Predictions of v1; its labels and groups are used if both sets have some.
        v2: Predictions of v2.
        policy: The tolerance policy; default the packaged one.
        columns: v1 name → v2 name; default every column, which both must have.
        command: Command line to show for repeating this.
        today: Day to judge the expiry of overrides by; default today in UTC.

    Returns:
        The report, with the verdict in it.
    """
    policy = policy or Policy.load()
    v1, v2 = named_by_feature(v1, v2.columns), named_by_feature(v2, v1.columns)
    if columns is not None:
        v1, v2 = named_by_feature(v1, columns), named_by_feature(v2, columns.values())
    pairs = dict(columns) if columns is not None else {name: name for name in v1.columns}
    checks = [_names(v1, v2, pairs, explicit=columns is not None)]
    compared: list[ColumnComparison] = []
    alignment = None
    if _passed(checks):
        checks += [check for pair in pairs.items() for check in _kinds(v1, v2, pair, policy)]
    if all(check.status is Status.PASS for check in checks if check.stage is not Stage.DTYPES):
        alignment, check = join(v1, v2)
        joined = [check, *_labels_agree(v1, v2, alignment)]
        checks += joined
        if alignment is not None and _passed(joined):
            compared = _columns(v1, v2, pairs, alignment, policy)
            checks += [check for column in compared for check in column.checks]
            checks += [_enough(len(alignment.v1_rows), policy), *policy.checks(today)]
    checks = [_located(check, compared, v1, alignment) for check in checks]
    return Report(
        title="Predictions of v2 against v1",
        verdict=Verdict.combine(checks),
        roles={"v1": _described(v1), "v2": _described(v2)},
        sections=tuple(_sections(v1, v2, compared, alignment)),
        provenance=_provenance(v1, v2, policy),
        command=command,
    )


def _names(
    v1: PredictionSet, v2: PredictionSet, pairs: Mapping[str, str], *, explicit: bool
) -> Check:
    problems = [missing_column("v1", name, v1.columns) for name in pairs if name not in v1.columns]
    problems += [
        missing_column("v2", name, v2.columns) for name in pairs.values() if name not in v2.columns
    ]
    if not explicit:
        extra = [name for name in v2.columns if name not in v1.columns]
        problems += [missing_column("v1", name, v1.columns) for name in extra]
    if not pairs and not problems:
        problems = ["no column holds numbers on either side"]
    if problems:
        return Check("columns", Stage.NAMES, Status.NOT_COMPARABLE, "; ".join(problems))
    return Check("columns", Stage.NAMES, Status.PASS, f"comparing {', '.join(pairs)}")


def _kinds(
    v1: PredictionSet, v2: PredictionSet, pair: tuple[str, str], policy: Policy
) -> list[Check]:
    name, a, b = pair[0], v1.columns[pair[0]], v2.columns[pair[1]]
    shapes = f"{_width(a)} in v1, {_width(b)} in v2"
    same_shape = a.shape[1:] == b.shape[1:]
    shape = Check(
        name, Stage.SHAPES, Status.PASS if same_shape else Status.NOT_COMPARABLE, f"{shapes} a row"
    )
    if not (v1.has_dtypes and v2.has_dtypes):
        free = "the format of one side says nothing about precision"
        dtype = Check(name, Stage.DTYPES, Status.PASS, free)
    elif a.dtype == b.dtype:
        dtype = Check(name, Stage.DTYPES, Status.PASS, f"{a.dtype} on both sides")
    else:
        may = policy.predictions.dtypes_may_differ and a.dtype.kind == b.dtype.kind == "f"
        detail = f"v1 is {a.dtype}, v2 {b.dtype}"
        detail += "" if may else "; predictions.dtypes_may_differ in the policy accepts it"
        dtype = Check(name, Stage.DTYPES, Status.PASS if may else Status.FAIL, detail)
    return [shape, dtype]


def _labels_agree(v1: PredictionSet, v2: PredictionSet, alignment: Alignment | None) -> list[Check]:
    """Compare labels where both sides have some: one request cannot have two outcomes."""
    if v1.labels is None or v2.labels is None or alignment is None:
        return []
    differ = v1.labels[alignment.v1_rows] != v2.labels[alignment.v2_rows]
    count = int(np.count_nonzero(differ))
    if not count:
        return [Check("labels", Stage.JOIN, Status.PASS, "equal on both sides")]
    detail = f"labels differ in {count:,} joined rows; these are not the same examples"
    first = v1.row_name(int(alignment.v1_rows[np.argmax(differ)]))
    return [Check("labels", Stage.JOIN, Status.NOT_COMPARABLE, detail, location=first)]


def _columns(
    v1: PredictionSet,
    v2: PredictionSet,
    pairs: Mapping[str, str],
    alignment: Alignment,
    policy: Policy,
) -> list[ColumnComparison]:
    labels, rows = _aside(v1.labels, v2.labels, alignment)
    groups = _group_numbers(v1, v2, alignment)
    return [
        compare_column(
            name,
            _ordered(v1.columns[name], alignment.v1_rows),
            _ordered(v2.columns[other], alignment.v2_rows),
            policy,
            labels=None if labels is None else _ordered(labels, rows),
            groups=groups,
        )
        for name, other in pairs.items()
    ]


def _ordered(values: Array, rows: Ints) -> Array:
    in_order = len(rows) == len(values) and bool(np.array_equal(rows, np.arange(len(rows))))
    return values if in_order else values[rows]


def _aside(of_v1: Any, of_v2: Any, alignment: Alignment) -> tuple[Any, Ints]:
    """Choose labels or groups of the side that has them, v1 first, and its rows."""
    if of_v1 is not None:
        return of_v1, alignment.v1_rows
    return of_v2, alignment.v2_rows


def _group_numbers(v1: PredictionSet, v2: PredictionSet, alignment: Alignment) -> Ints | None:
    groups, rows = _aside(v1.groups, v2.groups, alignment)
    if groups is None:
        return None
    codes: Ints = pc.dictionary_encode(groups).indices.to_numpy().astype(np.int64)
    return codes[rows]


def _enough(rows: int, policy: Policy) -> Check:
    least = policy.predictions.min_rows
    status = Status.PASS if rows >= least else Status.INCONCLUSIVE
    return Check("rows", Stage.POLICY, status, f"{rows:,} rows, the policy asks for {least:,}")


def _passed(checks: list[Check]) -> bool:
    return all(check.status is Status.PASS for check in checks)


def _located(
    check: Check,
    compared: list[ColumnComparison],
    v1: PredictionSet,
    alignment: Alignment | None,
) -> Check:
    """Say which row the worst value of a check stands in."""
    worst = check.numbers.get("worst_index")
    column = next((c for c in compared if c.name == check.name), None)
    if alignment is None or column is None or not isinstance(worst, int) or check.location:
        return check
    row = column.finite[worst // max(1, column.v1[0].size)]
    return replace(check, location=v1.row_name(int(alignment.v1_rows[row])))


def _sections(
    v1: PredictionSet,
    v2: PredictionSet,
    compared: list[ColumnComparison],
    alignment: Alignment | None,
) -> list[Section]:
    notes = [
        Finding(Status.INCONCLUSIVE, f"column {name!r} holds no numbers and was not compared", role)
        for role, side in (("v1", v1), ("v2", v2))
        for name in side.ignored
    ]
    sections = [Section("Not compared", (Findings(tuple(notes)),))] if notes else []
    if alignment is None or not compared:
        return sections
    groups = _group_names(v1, v2, alignment)

    def row_name(row: int) -> str:
        return v1.row_name(int(alignment.v1_rows[row]))

    return [
        summary_section(compared),
        *(column_section(column, row_name, groups) for column in compared),
        *sections,
    ]


def _group_names(v1: PredictionSet, v2: PredictionSet, alignment: Alignment) -> Any:
    """Return the names of groups by number."""
    groups, _ = _aside(v1.groups, v2.groups, alignment)
    return None if groups is None else pc.dictionary_encode(groups).dictionary


def _described(side: PredictionSet) -> str:
    return f"{side.source} ({side.rows:,} rows, {len(side.columns)} columns)"


def _width(values: Array) -> str:
    return "one value" if values.ndim == 1 else f"{values.shape[1:]} values"


def _provenance(v1: PredictionSet, v2: PredictionSet, policy: Policy) -> dict[str, str]:
    hashes = {f"sha256 of {role}": side.sha256 for role, side in (("v1", v1), ("v2", v2))}
    return {name: digest for name, digest in hashes.items() if digest} | {
        "policy": policy.source,
        "numpy": np.__version__,
        "pyarrow": pa.__version__,
    }
