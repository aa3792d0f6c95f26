"""The comparison of a column as sections of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from verify.report.quality_tables import quality_tables
from verify.report.tree import (
    Bin,
    Block,
    Cell,
    Column,
    Facts,
    Histogram,
    Point,
    Scatter,
    Section,
    Series,
    Table,
)
from verify.verdict import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from verify.compare.column import ColumnComparison
    from verify.compare.values import Array, ValueResult

WORST_ROWS = 20
# Points of a scatter plot: the worst ones, and evenly spaced ones among the rest.
WORST_POINTS, SPACED_POINTS = 100, 900


def summary_section(compared: list[ColumnComparison]) -> Section:
    """One row a column: its status and the figures people ask for first."""
    columns = (
        Column("column"),
        Column("values"),
        Column("beyond tolerance"),
        Column("max |d|", help="largest absolute difference"),
        Column("bias", help="mean of v2 − v1"),
        Column("logits max |d|"),
        Column("atol to pass", help="the smallest that would pass"),
    )
    rows: list[tuple[Cell, ...]] = []
    for item in compared:
        v, logits = item.values, item.logits
        figures: tuple[Cell, ...] = (None,) * 6
        if v is not None:
            top = logits.max_abs if logits else None
            figures = (
                v.count,
                v.mismatched,
                v.max_abs,
                v.bias,
                top,
                v.needed_atol,
            )
        rows.append((item.name, *figures))
    statuses = tuple(Verdict.combine(item.checks).status for item in compared)
    return Section("Columns", (Table(columns, tuple(rows), statuses=statuses),))


def column_section(
    item: ColumnComparison, row_name: Callable[[int], str], groups: Any = None
) -> Section:
    """Everything about one column.

    Args:
        item: The comparison.
        row_name: Names a row by its position in the joined order.
        groups: Names of groups by number, or None.
    """
    blocks: list[Block] = []
    if item.values is not None:
        # steps of a double that carries a float32 result say nothing
        narrow = item.v1.dtype.kind == "f" and item.v1.dtype.itemsize < 8
        blocks.append(Facts(_figures(item.values, ulp=narrow), "Differences v2 − v1"))
        if item.logits is not None:
            blocks.append(Facts(_figures(item.logits, ulp=False), "Differences of logits"))
        blocks += [_histogram(item), _scatter(item), _worst(item, row_name)]
    blocks += [*_ranking(item, groups), *_quality(item), *_distances(item)]
    return Section(f"Column {item.name}", tuple(blocks), f"Tolerance: {_rule(item)}")


def _rule(item: ColumnComparison) -> str:
    reason = f". {item.tolerance.reason}" if item.tolerance.reason else ""
    return f"{item.tolerance.describe()}{reason}"


def _figures(v: ValueResult, *, ulp: bool) -> dict[str, Cell]:
    figures: dict[str, Cell] = {
        "values": v.count,
        "beyond tolerance": v.mismatched,
        "max |d|": v.max_abs,
        "mean |d|": v.mean_abs,
        "median |d|": v.p50_abs,
        "p99 |d|": v.p99_abs,
        "p99.9 |d|": v.p999_abs,
        "max relative": v.max_rel,
        "bias": v.bias,
        "bias over mean |d|": v.bias_share,
        "1 − cosine": None if v.cosine is None else 1.0 - v.cosine,
        "worst over allowed": v.worst_ratio,
        "smallest atol to pass": v.needed_atol,
    }
    return figures | {"max ULP": v.max_ulp} if ulp else figures


def _error(item: ColumnComparison) -> Array:
    difference = np.abs(item.v2.astype(np.float64) - item.v1.astype(np.float64))
    return difference.reshape(len(difference), -1).max(axis=1)


def _histogram(item: ColumnComparison) -> Histogram:
    error = _error(item)
    positive = error[error > 0.0]
    title = f"Absolute differences ({len(error) - len(positive):,} are exactly 0)"
    if not positive.size:
        return Histogram(title, "|v2 − v1|", ())
    # the axis reaches the tolerance, so that its distance is seen
    reach = max(float(positive.max()), item.tolerance.atol)
    low, high = np.floor(np.log10(positive.min())), np.ceil(np.log10(reach))
    high = max(high, low + 1)
    edges = 10.0 ** np.linspace(low, high, int(min(48, 4 * (high - low))) + 1)
    index = np.clip(np.searchsorted(edges, positive, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(index, minlength=len(edges) - 1)
    bins = tuple(
        Bin(float(a), float(b), int(n)) for a, b, n in zip(edges, edges[1:], counts, strict=False)
    )
    marks = {"tolerance (atol)": item.tolerance.atol} if item.tolerance.atol else {}
    return Histogram(title, "|v2 − v1|", (Series("v2", bins),), marks, logarithmic=True)


def _scatter(item: ColumnComparison) -> Scatter:
    error = _error(item)
    bad = error > item.tolerance.allowed(item.v1).reshape(len(error), -1).max(axis=1)
    spaced = np.linspace(0, len(error) - 1, min(len(error), SPACED_POINTS)).astype(np.int64)
    rows = np.unique(np.concatenate((_largest(error, WORST_POINTS), spaced)))
    first1, first2 = (side.reshape(len(error), -1)[:, 0] for side in (item.v1, item.v2))
    points = tuple(
        Point(
            float(first1[r]),
            float(first2[r]),
            f"v1 {first1[r]:.6g}, v2 {first2[r]:.6g}",
            bool(bad[r]),
        )
        for r in rows
    )
    shown = "all rows" if len(rows) == len(error) else f"{len(rows):,} of {len(error):,} rows"
    return Scatter(f"v2 over v1, {shown}, the worst among them", "v1", "v2", points)


def _worst(item: ColumnComparison, row_name: Callable[[int], str]) -> Table:
    error = _error(item)
    allowed = item.tolerance.allowed(item.v1).reshape(len(error), -1)
    flat1, flat2 = (side.reshape(len(error), -1) for side in (item.v1, item.v2))
    rows, statuses = [], []
    for row in _largest(error, WORST_ROWS):
        apart = np.abs(flat2[row].astype(np.float64) - flat1[row].astype(np.float64))
        at = int(apart.argmax())
        rows.append(
            (
                row_name(int(item.finite[row])),
                f"{float(flat1[row, at]):.9g}",
                f"{float(flat2[row, at]):.9g}",
                float(flat2[row, at]) - float(flat1[row, at]),
                float(allowed[row, at]),
            )
        )
        statuses.append(Status.FAIL if apart[at] > allowed[row, at] else Status.PASS)
    columns = tuple(Column(name) for name in ("row", "v1", "v2", "v2 − v1", "allowed |d|"))
    return Table(columns, tuple(rows), "Worst rows", tuple(statuses))


def _largest(error: Array, count: int) -> Array:
    """Return the rows of the largest errors, largest first, ties in file order."""
    if len(error) > 4 * count:
        edge = np.partition(error, len(error) - count)[len(error) - count]
        above, equal = np.flatnonzero(error > edge), np.flatnonzero(error == edge)
        rows = np.sort(np.concatenate((above, equal[: count - len(above)])))
    else:
        rows = np.arange(len(error))
    return np.asarray(rows[np.argsort(-error[rows], kind="stable")][:count])


def _ranking(item: ColumnComparison, groups: Any) -> list[Block]:
    if item.ranking is None:
        return []
    whole = item.ranking
    facts: dict[str, Cell] = {
        "Kendall tau-b": _number(whole.kendall_tau[0]),
        "weighted tau": _number(whole.weighted_tau[0]),
        "overlap of the top 10": _number(whole.topk_overlap[0]),
        "pairs out of order": int(whole.flips[0]),
        "of these not explained by the tolerance": int(whole.real_flips[0]),
    }
    blocks: list[Block] = [Facts(facts, "Order over all rows")]
    by_group = item.by_group
    numbers = item.group_numbers
    if by_group is not None and numbers is not None:
        order = np.lexsort((by_group.kendall_tau, -by_group.flips, -by_group.real_flips))
        rows = tuple(
            (
                str(numbers[g]) if groups is None else str(groups[int(numbers[g])].as_py()),
                int(by_group.size[g]),
                _number(by_group.kendall_tau[g]),
                _number(by_group.topk_overlap[g]),
                int(by_group.flips[g]),
                int(by_group.real_flips[g]),
            )
            for g in order[:WORST_ROWS]
        )
        names = ("request", "rows", "Kendall tau-b", "top 10 in common", "flips", "real flips")
        title = f"Order within each request, the worst of {len(by_group.size):,}"
        blocks.append(Table(tuple(Column(name) for name in names), rows, title))
    return blocks


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _quality(item: ColumnComparison) -> list[Block]:
    if item.quality is None:
        return []
    return [*quality_tables(*item.quality)]


def _distances(item: ColumnComparison) -> list[Block]:
    if not item.distances:
        return []
    columns = (
        Column("distance"),
        Column("all rows"),
        Column("sample", help="over as many rows as the baseline"),
        Column("chance reaches", help="99th percentile over random splits of both sides pooled"),
        Column("sampled rows"),
    )
    rows = tuple((d.name, d.value, d.observed, d.baseline, d.sampled) for d in item.distances)
    return [Table(columns, rows, "Distribution: monitors only, agreement here proves nothing")]
