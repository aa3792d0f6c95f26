"""One report tree and the formats it is written in."""

from verify.report.tree import (
    Bin,
    Block,
    Column,
    Curve,
    Curves,
    Facts,
    Finding,
    Findings,
    Histogram,
    Layer,
    Layers,
    Point,
    Report,
    Scatter,
    Section,
    Series,
    Table,
)
from verify.report.write import FORMATS, write_report

__all__ = [
    "FORMATS",
    "Bin",
    "Block",
    "Column",
    "Curve",
    "Curves",
    "Facts",
    "Finding",
    "Findings",
    "Histogram",
    "Layer",
    "Layers",
    "Point",
    "Report",
    "Scatter",
    "Section",
    "Series",
    "Table",
    "write_report",
]
