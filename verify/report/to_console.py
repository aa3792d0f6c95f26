"""The report on a terminal: verdict and reason first, then the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

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
    from collections.abc import Mapping

    from verify.report.tree import Block, Report

STYLES = {
    Status.PASS: "bold green",
    Status.FAIL: "bold red",
    Status.INCONCLUSIVE: "bold yellow",
    Status.NOT_COMPARABLE: "bold magenta",
}
_BARS = " ▁▂▃▄▅▆▇█"


def print_report(report: Report, console: Console | None = None) -> None:
    """Print a report.

    Args:
        report: The report.
        console: Where to print; default standard output.
    """
    console = console or Console()
    status = report.verdict.status
    console.print(
        Panel(
            Text.assemble((status.value, STYLES[status]), "  ", report.verdict.reason),
            title=Text(report.title, style="bold"),
            title_align="left",
            border_style=STYLES[status],
        )
    )
    console.print(_pairs(report.roles))
    console.print(_checks(report))
    for section in report.sections:
        console.print(Text(f"\n{section.title}", style="bold underline"))
        if section.text:
            console.print(Text(section.text, style="dim"))
        for block in section.blocks:
            console.print(Padding(_block(block), (1, 0, 0, 0)))
    if report.command:
        console.print(Text.assemble(("\nAgain: ", "dim"), report.command))


def to_console(report: Report, width: int = 100) -> str:
    """Render a report as plain terminal text without colour.

    Args:
        report: The report.
        width: Columns of the terminal.

    Returns:
        The text.
    """
    console = Console(width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        print_report(report, console)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def _checks(report: Report) -> RenderableType:
    grid = RichTable(box=box.SIMPLE_HEAD, title="Checks", title_justify="left", pad_edge=False)
    for name in ("status", "stage", "check", "result", "where"):
        grid.add_column(name, overflow="fold")
    for check in report.verdict.checks:
        grid.add_row(
            Text(check.status.value, style=STYLES[check.status]),
            check.stage.value,
            Text(check.name),
            Text(check.detail),
            Text(check.location or ""),
        )
    return grid


def _block(block: Block) -> RenderableType:
    match block:
        case Facts():
            return _titled(block.title, _pairs({k: number(v) for k, v in block.items.items()}))
        case Table():
            return _table(block)
        case Findings():
            return _titled(block.title, _findings(block))
        case Histogram():
            return _titled(block.title, _sparklines(block))
        case Curves():
            names = ", ".join(curve.name for curve in block.curves)
            return Text(f"{block.title}: {names}; drawn in report.html")
        case Scatter():
            bad = sum(point.bad for point in block.points)
            return Text(f"{block.title}: {len(block.points)} points, {bad} beyond the tolerance")
        case HeatMap():
            total = sum(map(sum, block.counts))
            return Text(
                f"{block.title}: {total:,} counted, {block.off_diagonal:,} off the diagonal"
            )
        case Layers():
            return _layers(block)


def _titled(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(title, style="italic"), body) if title else body


def _pairs(items: Mapping[str, str]) -> RenderableType:
    grid = RichTable.grid(padding=(0, 2))
    for name, value in items.items():
        grid.add_row(Text(name, style="dim"), Text(value))
    return grid


def _table(table: Table) -> RenderableType:
    grid = RichTable(box=box.SIMPLE_HEAD, title=table.title or None, title_justify="left")
    for position, column in enumerate(table.columns):
        numeric = column_is_numeric(table.rows, position)
        grid.add_column(heading(column), justify="right" if numeric else "left", overflow="fold")
    for position, row in enumerate(table.rows):
        status = table.statuses[position] if table.statuses else None
        style = STYLES[status] if status and status is not Status.PASS else ""
        grid.add_row(*(Text(number(cell)) for cell in row), style=style)
    return grid


def _findings(findings: Findings) -> RenderableType:
    lines = []
    for item in findings.items:
        where = f" [{item.location}]" if item.location else ""
        hint = f"\n    → {item.hint}" if item.hint else ""
        lines.append(
            Text.assemble((item.status.value, STYLES[item.status]), f"  {item.text}{where}{hint}")
        )
    return Group(*lines)


def _sparklines(histogram: Histogram) -> RenderableType:
    lines: dict[str, str] = {}
    for series in histogram.series:
        top = max((item.count for item in series.bins), default=0) or 1
        # a bin that holds anything is never drawn empty
        heights = [-(-item.count * (len(_BARS) - 1) // top) for item in series.bins]
        lines[series.role] = "".join(_BARS[height] for height in heights)
    first = histogram.series[0].bins if histogram.series else ()
    if first:
        lines[histogram.x_label] = f"{number(first[0].low)} … {number(first[-1].high)}"
    lines |= {name: number(position) for name, position in histogram.marks.items()}
    return _pairs(lines)


def _layers(layers: Layers) -> RenderableType:
    grid = RichTable(
        box=box.SIMPLE_HEAD,
        title=f"{layers.title} (ratios to the noise floor, limit {number(layers.limit)})",
        title_justify="left",
    )
    for name in ("layer", "kind", "cumulative", "local", "status", "note"):
        grid.add_column(name, justify="right" if name in ("cumulative", "local") else "left")
    for layer in layers.layers:
        grid.add_row(
            Text(layer.path),
            Text(layer.kind),
            number(layer.cumulative),
            number(layer.local),
            Text(layer.status.value, style=STYLES[layer.status]),
            Text(layer.note),
        )
    return grid
