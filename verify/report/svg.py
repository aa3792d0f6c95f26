"""Small charts as inline SVG; colours come from the page's style sheet."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from verify.report.text import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from verify.report.tree import Curves, Histogram, Scatter

# Narrow enough that text can still be read when a phone shows the whole chart.
WIDTH, HEIGHT = 560, 260
_SIDE, _RIGHT, _TOP, _FOOT = 74, 16, 24, 50
_LINE = 15


@dataclass(frozen=True, slots=True)
class _Axis:
    """A linear or logarithmic map from values to pixels."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False
    names: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, value: float) -> float:
        low, high, value = self._scale(self.low), self._scale(self.high), self._scale(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def _scale(self, value: float) -> float:
        if not self.logarithmic:
            return value
        return math.log10(max(value, self.low, 5e-324))

    def labels(self) -> list[tuple[str, float]]:
        """Return what is written beside the axis, and where."""
        return list(self.names.items()) or [(number(value), value) for value in self.ticks()]

    def ticks(self) -> list[float]:
        """Return about five round values inside the axis."""
        if self.logarithmic:
            low, high = self._scale(self.low), self._scale(self.high)
            lowest, highest = math.ceil(low), math.floor(high)
            if high - low < 2:
                every = (f * 10.0**p for p in range(lowest - 1, highest + 1) for f in (1, 2, 5))
                return [value for value in every if low <= math.log10(value) <= high]
            apart = max(1, (highest - lowest) // 5)
            return [10.0**power for power in range(lowest, highest + 1, apart)]
        if self.high <= self.low:
            return [self.low]
        raw = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(
            factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999
        )
        first, last = math.ceil(self.low / step), math.floor(self.high / step + 1e-9)
        digits = 12 - math.floor(math.log10(step))
        return [round(i * step, digits) for i in range(first, last + 1)]


def histogram(block: Histogram) -> str:
    """Draw a histogram, one bar a bin and series.

    Args:
        block: Series over the same bins.

    Returns:
        An SVG element, or a sentence when there is nothing to draw.
    """
    bins = block.series[0].bins if block.series else ()
    if not bins:
        return "<p>No values.</p>"
    highest = max(item.count for series in block.series for item in series.bins) or 1
    x = _Axis(bins[0].low, bins[-1].high, _SIDE, WIDTH - _RIGHT, block.logarithmic)
    y = _Axis(0, highest, HEIGHT - _FOOT, _TOP)
    bars = []
    for index, series in enumerate(block.series):
        for item in series.bins:
            if item.count == 0:
                continue
            left, right = x(item.low), x(item.high)
            step = (right - left) / len(block.series)
            # one value among a million still shows
            top = min(y(item.count), y(0) - 1.5)
            tip = f"{series.role}: {item.count:,} in {number(item.low)} … {number(item.high)}"
            bars.append(
                f'<rect class="bar s{index % 3}" x="{left + index * step:.1f}" y="{top:.1f}" '
                f'width="{max(step - 1, 0.8):.1f}" height="{y(0) - top:.1f}">'
                f"<title>{escape(tip)}</title></rect>"
            )
    marks = [
        line
        for place, (name, value) in enumerate(block.marks.items())
        if math.isfinite(value)
        for line in _mark(x, name, value, place)
    ]
    totals = (
        f"{series.role} {sum(item.count for item in series.bins):,}" for series in block.series
    )
    label = f"{block.title}. Histogram over {block.x_label}; values: {', '.join(totals)}"
    return _svg(label, [*_axes(x, y, block.x_label, "count"), *bars, *marks])


def scatter(block: Scatter) -> str:
    """Draw points, those beyond the tolerance last and larger.

    Args:
        block: The points.

    Returns:
        An SVG element, or a sentence when there is nothing to draw.
    """
    points = [point for point in block.points if math.isfinite(point.x) and math.isfinite(point.y)]
    if not points:
        return "<p>No values.</p>"
    xs, ys = [point.x for point in points], [point.y for point in points]
    if block.diagonal:
        xs = ys = xs + ys
    x = _Axis(*_padded(xs), _SIDE, WIDTH - _RIGHT)
    y = _Axis(*_padded(ys), HEIGHT - _FOOT, _TOP)
    line = (
        f'<line class="grid" x1="{x.start}" y1="{y(x.low):.1f}" x2="{x.end}" y2="{y(x.high):.1f}"/>'
    )
    dots = [
        f'<circle class="{"bad" if point.bad else "s0"}" cx="{x(point.x):.1f}" '
        f'cy="{y(point.y):.1f}" r="{3.5 if point.bad else 2}">'
        f"<title>{escape(point.label)}</title></circle>"
        for point in sorted(points, key=lambda point: point.bad)
    ]
    bad = sum(point.bad for point in points)
    label = (
        f"{block.title}. {block.y_label} over {block.x_label}, {len(points)} points, "
        f"{bad} beyond the tolerance"
    )
    parts = _axes(x, y, block.x_label, block.y_label)
    return _svg(label, [*parts, *([line] if block.diagonal else []), *dots])


def curves(block: Curves) -> str:
    """Draw lines; each has a dash pattern of its own beside its colour.

    Args:
        block: The lines.

    Returns:
        An SVG element, or a sentence when there is nothing to draw.
    """
    drawn = [
        [
            (x, y)
            for x, y in curve.points
            if math.isfinite(x) and math.isfinite(y) and (y > 0 or not block.logarithmic)
        ]
        for curve in block.curves
    ]
    points = [point for line in drawn for point in line]
    if not any(y for _, y in points):
        return "<p>Zero everywhere.</p>"
    xs, ys = [x for x, _ in points], [y for _, y in points]
    x = _Axis(min(xs), max(xs), _SIDE, WIDTH - _RIGHT, names=block.ticks)
    low, high = (min(ys) / 2, max(ys) * 2) if block.logarithmic else _padded(ys)
    y = _Axis(low, high, HEIGHT - _FOOT, _TOP, block.logarithmic)
    lines = [
        f'<polyline class="line l{index % 3}" points="'
        + " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line)
        + f'"><title>{escape(curve.name)}</title></polyline>'
        for index, (curve, line) in enumerate(zip(block.curves, drawn, strict=True))
        if line
    ]
    marks = [
        line
        for place, (name, value) in enumerate(block.marks.items())
        for line in _mark(x, name, value, place)
    ]
    names = ", ".join(curve.name for curve in block.curves)
    label = f"{block.title}. {block.y_label} over {block.x_label}: {names}"
    return _svg(label, [*_axes(x, y, block.x_label, block.y_label), *lines, *marks])


def _padded(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = (high - low) * 0.03 or abs(high) * 0.1 or 1.0
    return low - pad, high + pad


def _mark(x: _Axis, name: str, value: float, place: int) -> tuple[str, str]:
    at = min(max(x(value), x.start), x.end)
    anchor, shift = ("end", -4) if at > WIDTH / 2 else ("start", 4)
    height = _TOP - 8 + _LINE * place
    text = f"{name} {number(value)}"
    return (
        f'<line class="mark" x1="{at:.1f}" y1="{_TOP - 12}" x2="{at:.1f}" y2="{HEIGHT - _FOOT}"/>',
        _text(at + shift, height, text, anchor, "mark-label"),
    )


def _axes(x: _Axis, y: _Axis, x_label: str, y_label: str) -> list[str]:
    foot = HEIGHT - _FOOT
    parts = [
        f'<path class="axis" d="M{_SIDE} {_TOP}V{foot}H{WIDTH - _RIGHT}"/>',
        _text((_SIDE + WIDTH - _RIGHT) / 2, HEIGHT - 8, x_label, "middle"),
        f'<g transform="translate(13 {(foot + _TOP) / 2}) rotate(-90)">'
        + _text(0, 0, y_label, "middle")
        + "</g>",
    ]
    for text, value in x.labels():
        at = x(value)
        parts.append(
            f'<line class="axis" x1="{at:.1f}" y1="{foot}" x2="{at:.1f}" y2="{foot + 4}"/>'
        )
        parts.append(_text(at, foot + 19, text, "middle"))
    for value in y.ticks():
        at = y(value)
        parts.append(
            f'<line class="grid" x1="{_SIDE}" y1="{at:.1f}" x2="{WIDTH - _RIGHT}" y2="{at:.1f}"/>'
        )
        parts.append(_text(_SIDE - 6, at + 4, _short(value), "end"))
    return parts


def _text(x: float, y: float, content: str, anchor: str, style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size or (abs(value) >= size and value % (size / 10) == 0):
            return f"{value / size:g}{unit}"
    return number(value)


def _svg(label: str, parts: Iterable[str]) -> str:
    quoted = escape(label, {'"': "&quot;"})
    body = "\n".join(parts)
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{quoted}">\n'
        f"{body}\n</svg>"
    )
