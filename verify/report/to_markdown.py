"""The report as Markdown, sized for a pull-request comment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verify.report.text import column_is_numeric, heading, number
from verify.report.tree import (
    Curves,
    Facts,
    Findings,
    HeatMap,
    Histogram,
    Layers,
    Scatter,
    Table,
)
from verify.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from verify.report.tree import Block, Report

# GitHub cuts a comment at 65,536 characters; tables are cut first, and say so.
MAX_ROWS = 50
_SIGNS = {
    Status.PASS: "✅",
    Status.FAIL: "❌",
    Status.INCONCLUSIVE: "❔",
    Status.NOT_COMPARABLE: "🚫",
}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$@])")


def to_markdown(report: Report) -> str:
    """Render a report as GitHub Markdown: the verdict in sight, everything else folded.

    Args:
        report: The report.

    Returns:
        Markdown text that ends with a newline.
    """
    verdict = report.verdict
    parts = [
        f"## {_SIGNS[verdict.status]} {verdict.status.value}: {_inline(report.title)}",
        f"**Why:** {_inline(verdict.reason)}",
        "\n".join(f"- `{role}`: {_inline(text)}" for role, text in report.roles.items()),
        _rows(
            ("", "stage", "check", "result", "where"),
            [
                (_SIGNS[c.status], c.stage.value, c.name, c.detail, c.location or "")
                for c in verdict.checks
            ],
        ),
    ]
    for section in report.sections:
        body = [_inline(section.text), *(_block(block) for block in section.blocks)]
        parts += [
            f"<details><summary><b>{_inline(section.title)}</b></summary>",
            *(part for part in body if part),
            "</details>",
        ]
    if report.command:
        parts.append(f"Again:\n\n{_code(report.command)}")
    if report.provenance:
        items = (f"{key}: {number(value)}" for key, value in report.provenance.items())
        parts.append(f"<sub>{_inline(' · '.join(items))}</sub>")
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Block) -> str:
    match block:
        case Facts():
            body = _rows(("", "value"), [(k, number(v)) for k, v in block.items.items()])
        case Table():
            body = _table(block)
        case Findings():
            body = "\n".join(
                f"- {_SIGNS[item.status]} {_inline(item.text)}"
                + (f" ({_inline(item.location)})" if item.location else "")
                + (f"\n  → {_inline(item.hint)}" if item.hint else "")
                for item in block.items
            )
        case Histogram():
            body = _histogram(block)
        case Scatter():
            bad = sum(point.bad for point in block.points)
            body = f"{len(block.points)} points drawn, {bad} beyond the tolerance."
        case Curves():
            names = {place: name for name, place in block.ticks.items()}
            ends = [(c.name, *c.points[-1]) for c in block.curves if c.points]
            body = _rows(
                ("", f"last {block.x_label}", block.y_label),
                [(name, names.get(x, number(x)), number(y)) for name, x, y in ends],
                numeric=(1, 2),
            )
        case HeatMap():
            total = sum(map(sum, block.counts))
            body = f"{total:,} counted, {block.off_diagonal:,} off the diagonal."
        case Layers():
            body = _rows(
                ("", "layer", "kind", "cumulative", "local", "note"),
                [
                    (
                        _SIGNS[x.status],
                        x.path,
                        x.kind,
                        number(x.cumulative),
                        number(x.local),
                        x.note,
                    )
                    for x in block.layers
                ],
                numeric=(3, 4),
            )
    return f"**{_inline(block.title)}**\n\n{body}" if block.title else body


def _table(table: Table) -> str:
    numeric = [i for i in range(len(table.columns)) if column_is_numeric(table.rows, i)]
    names = [heading(column) for column in table.columns]
    rows: list[Sequence[str]] = [[number(cell) for cell in row] for row in table.rows]
    if table.statuses:
        signs = [_SIGNS[status] if status else "" for status in table.statuses]
        rows = [[sign, *row] for sign, row in zip(signs, rows, strict=True)]
        return _rows(["", *names], rows, [position + 1 for position in numeric])
    return _rows(names, rows, numeric)


def _histogram(histogram: Histogram) -> str:
    rows = [
        (f"{number(bins[0].low)} … {number(bins[0].high)}", *(f"{item.count:,}" for item in bins))
        for bins in zip(*(series.bins for series in histogram.series), strict=True)
        if any(item.count for item in bins)
    ]
    names = (histogram.x_label, *(series.role for series in histogram.series))
    marks = "".join(f"\n\n{_inline(k)}: {number(v)}" for k, v in histogram.marks.items())
    return _rows(names, rows, range(1, len(names))) + marks


def _rows(names: Sequence[str], rows: Sequence[Sequence[str]], numeric: Iterable[int] = ()) -> str:
    if not rows:
        return "No rows."
    right = set(numeric)
    rule = ["---:" if position in right else "---" for position in range(len(names))]
    lines = [_line(_inline(name) for name in names), _line(rule)]
    lines += [_line(_inline(cell) for cell in row) for row in rows[:MAX_ROWS]]
    cut = (
        f"\n\n{len(rows) - MAX_ROWS:,} more rows are in report.json."
        if len(rows) > MAX_ROWS
        else ""
    )
    return "\n".join(lines) + cut


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _inline(text: str) -> str:
    """Escape what Markdown or HTML would read as markup; a mention must not notify anybody."""
    flat = " ".join(text.split())
    return _SPECIAL.sub(r"\\\1", flat.replace("&", "&amp;"))


def _code(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{text}\n{fence}"
