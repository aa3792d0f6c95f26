"""A matrix of counts as inline SVG: the diagonal in one colour, what left it in another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from verify.report.tree import HeatMap

_SIDE, _TOP, _LABEL = 44, 8, 40
_SMALLEST, _LARGEST, _WIDTH = 3.0, 22.0, 460.0
_FAINTEST = 0.15


def heat_map(block: HeatMap) -> str:
    """Draw a matrix; empty cells stay empty, and the darker a cell, the more is in it.

    Args:
        block: the counts.

    Returns:
        An SVG element, or a sentence when there is nothing to draw.
    """
    rows, columns = len(block.counts), max((len(row) for row in block.counts), default=0)
    total = sum(map(sum, block.counts))
    if not total:
        return "<p>No values.</p>"
    size = min(_LARGEST, max(_SMALLEST, _WIDTH / max(rows, columns)))
    width, height = _SIDE + columns * size + 8, _TOP + rows * size + _LABEL
    most = max(map(max, block.counts))
    parts = [
        _cell(x, y, count, size, most)
        for y, row in enumerate(block.counts)
        for x, count in enumerate(row)
        if count
    ]
    foot = _TOP + rows * size
    parts += [
        f'<path class="axis" d="M{_SIDE} {_TOP}V{foot:.1f}H{_SIDE + columns * size:.1f}"/>',
        _text(_SIDE + columns * size / 2, foot + 32, block.x_label),
        f'<g transform="translate(12 {(_TOP + foot) / 2:.1f}) rotate(-90)">'
        + _text(0, 0, block.y_label)
        + "</g>",
        *(_text(_SIDE + (x + 0.5) * size, foot + 15, str(x)) for x in _ticks(columns)),
        *(_text(_SIDE - 14, _TOP + (y + 0.5) * size + 4, str(y)) for y in _ticks(rows)),
    ]
    label = f"{block.title}. {total:,} counted, {block.off_diagonal:,} off the diagonal"
    quoted = escape(label, {'"': "&quot;"})
    body = "\n".join(parts)
    return (
        f'<svg class="plot" viewBox="0 0 {max(width, 480):.0f} {height:.0f}" role="img" '
        f'aria-label="{quoted}">\n{body}\n</svg>'
    )


def _cell(x: int, y: int, count: int, size: float, most: int) -> str:
    # Logarithmic: a single value that moved among a million must be seen.
    depth = _FAINTEST + (1 - _FAINTEST) * math.log1p(count) / math.log1p(most)
    return (
        f'<rect class="cell{"" if x == y else " off"}" x="{_SIDE + x * size:.1f}" '
        f'y="{_TOP + y * size:.1f}" width="{size:.1f}" height="{size:.1f}" '
        f'fill-opacity="{depth:.2f}"><title>{y} → {x}: {count:,}</title></rect>'
    )


def _ticks(n: int) -> range:
    return range(0, n, max(1, math.ceil(n / 10)))


def _text(x: float, y: float, content: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(content)}</text>'
