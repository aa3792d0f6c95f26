"""The report as one HTML file: offline, without scripts, readable on a phone and in print."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from verify.report import svg
from verify.report.heat_map import heat_map
from verify.report.text import column_is_numeric, heading, number
from verify.report.to_json import KINDS
from verify.verdict import Status

if TYPE_CHECKING:
    from verify.report.tree import Block, Report

_HERE = Path(__file__).parent


def to_html(report: Report) -> str:
    """Render a report as a self-contained HTML page.

    Args:
        report: The report.

    Returns:
        HTML text; every string of the report is escaped.
    """
    environment, css = _page()
    return (
        environment.get_template("report.html.j2").render(report=report, css=css, pass_=Status.PASS)
        + "\n"
    )


@cache
def _page() -> tuple[Environment, Markup]:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {
        "number": number,
        "heading": heading,
        "numeric": column_is_numeric,
        "kind": _kind,
        "share_of": _share_of,
        # the SVG functions escape what they write
        "histogram_svg": lambda block: Markup(svg.histogram(block)),  # noqa: S704 - escaped there
        "curves_svg": lambda block: Markup(svg.curves(block)),  # noqa: S704 - escaped there
        "heat_map_svg": lambda block: Markup(heat_map(block)),  # noqa: S704 - escaped there
        "scatter_svg": lambda block: Markup(svg.scatter(block)),  # noqa: S704 - escaped there
    }
    css = (_HERE / "style.css").read_text(encoding="utf-8")
    return environment, Markup(css)  # noqa: S704 - our own file


def _kind(block: Block) -> str:
    return KINDS[type(block)]


def _share_of(ratio: float | None, limit: float) -> str:
    """Width in percent of a bar that is half full at the limit."""
    share = ratio / (2 * limit) if ratio is not None and ratio > 0 else 0.0
    return f"{100 * min(1.0, share):.0f}"
