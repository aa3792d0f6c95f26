"""How figures are written, the same in every format a person reads."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verify.report.tree import Cell, Column


def number(value: Cell) -> str:
    """Write a cell: integers in groups of three digits, floats with four digits at least, None as a
    dash.
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if 1e4 <= abs(value) < 1e9:
        return f"{value:,.0f}".replace("-", "−", 1)
    return f"{value:.4g}".replace("-", "−", 1) if value < 0 else f"{value:.4g}"


def heading(column: Column) -> str:
    """Write a column header with its unit."""
    return f"{column.name} ({column.unit})" if column.unit else column.name


def is_numeric(value: Cell) -> bool:
    """Say whether a cell is a figure, to be aligned right."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def column_is_numeric(rows: tuple[tuple[Cell, ...], ...], position: int) -> bool:
    """Say whether a column holds figures and gaps alone."""
    cells = [row[position] for row in rows if row[position] is not None]
    return bool(cells) and all(is_numeric(cell) for cell in cells)
