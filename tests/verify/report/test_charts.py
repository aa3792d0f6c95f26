"""Charts: lines over either axis, the legend of points, and how large figures are written."""

import re

import pytest

from verify.report import Column, Report, Section, Table
from verify.report.svg import curves
from verify.report.text import number
from verify.report.to_html import to_html
from verify.report.tree import Curve, Curves, Point, Scatter
from verify.verdict import Check, Stage, Status, Verdict


def page(*blocks):
    verdict = Verdict.combine([Check("a", Stage.VALUES, Status.PASS, "b")])
    return to_html(Report("t", verdict, {}, (Section("s", blocks),)))


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
