"""Charts: lines over either axis, the legend of points, and how large figures are written."""

import re

import pytest

from verify.report import Column, Report, Section, Table
from verify.report.svg import curves, histogram
from verify.report.text import number
from verify.report.to_html import to_html
from verify.report.to_markdown import to_markdown
from verify.report.tree import Bin, Curve, Curves, Histogram, Point, Scatter, Series
from verify.verdict import Check, Stage, Status, Verdict


def report(*blocks):
    verdict = Verdict.combine([Check("a", Stage.VALUES, Status.PASS, "b")])
    return Report("t", verdict, {}, (Section("s", blocks),))


def page(*blocks):
    return to_html(report(*blocks))


def heights(svg):
    """The y coordinates of each line."""
    return [
        [float(pair.partition(",")[2]) for pair in line.split()]
        for line in re.findall(r'<polyline [^>]*points="([^"]*)"', svg)
    ]


def test_a_linear_axis_shows_zero_and_below():
    line = Curve("d", ((0.0, -1.0), (0.5, 0.0), (1.0, 1.0)))
    (found,) = heights(curves(Curves("t", "x", "y", (line,), logarithmic=False)))
    assert found[0] - found[1] == pytest.approx(found[1] - found[2], abs=0.11)
    assert found[0] > found[2]
    (found,) = heights(curves(Curves("t", "x", "y", (line,))))
    assert len(found) == 1


def words(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_places_of_an_axis_may_have_names():
    line = Curve("d", ((0.0, 1.0), (2.0, 3.0)))
    block = Curves("t", "percentile", "ms", (line,), ticks={"p90": 1.0, "p99": 2.0})
    found = words(curves(block))
    assert {"p90", "p99", "1", "2", "5"} <= set(found)
    assert "0.5" in found  # the axis reaches from half the least to twice the largest
    assert "| d | p99 | 3 |" in to_markdown(report(block))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.14, 7.9, ["0.2", "0.5", "1", "2", "5"]), (1e-6, 10.0, ["1e-06", "1e-05", "0.0001"])],
)
def test_a_logarithmic_axis_has_ticks_however_short_it_is(low, high, expected):
    bins = (Bin(low, low * 1.5, 3), Bin(low * 1.5, high, 2))
    found = words(histogram(Histogram("t", "ms", (Series("v1", bins),), logarithmic=True)))
    assert found[2 : 2 + len(expected)] == expected


@pytest.mark.parametrize("logarithmic", [True, False])
def test_a_difference_of_nothing_says_so(logarithmic):
    line = Curve("d", ((0.0, 0.0), (1.0, 0.0)))
    block = Curves("t", "x", "y", (line,), logarithmic=logarithmic)
    assert curves(block) == "<p>Zero everywhere.</p>"


@pytest.mark.parametrize("bad", [True, False])
def test_points_beyond_the_tolerance_have_a_legend(bad):
    scatter = Scatter("t", "v1", "v2", (Point(0.0, 0.1), Point(0.5, 0.5, "", bad)))
    assert ("kbad" in page(scatter).partition("</style>")[2]) == bad


def test_no_title_is_cut_off_with_the_table_it_heads():
    """Titles stand above what scrolls sideways."""
    found = page(Table((Column("a"),), ((1,),), "its title")).partition("</style>")[2]
    assert found.index("<h3>its title</h3>") < found.index('<div class="scroll"')
    assert '<table aria-label="its title">' in found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9999.4, "9999"),
        (40158.2, "40,158"),
        (-40158.2, "−40,158"),
        (2.5e9, "2.5e+09"),
        (1.5e-7, "1.5e-07"),
    ],
)
def test_large_figures_are_written_out(value, text):
    assert number(value) == text
