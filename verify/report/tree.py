"""The report as data: what every format renders, and nothing about how.

A report has a verdict, the roles it speaks of (v1, v2, oracle64, ...), sections made of a few kinds
of block, where everything came from, and the command that produces it again. It holds no clock:
equal input gives equal bytes in every format.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verify.verdict import Status, Verdict

# Who may speak in a report. Nothing is ever called left, right, expected or actual.
ROLES = ("v1", "v1_repeat", "v2", "oracle32", "oracle64")

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, for example figures of one column."""

    items: Mapping[str, Cell]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """Header of a table column; `unit` is shown beside it, `help` explains it."""

    name: str
    unit: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; `statuses` marks rows, one entry a row or none at all."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    statuses: tuple[Status | None, ...] = ()

    def __post_init__(self) -> None:
        for position, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.title!r}: row {position} has {len(row)} cells for "
                    f"{len(self.columns)} columns"
                )
        if self.statuses and len(self.statuses) != len(self.rows):
            raise ValueError(
                f"table {self.title!r}: {len(self.statuses)} statuses for {len(self.rows)} rows"
            )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a reader should know; `hint` says what to do about it."""

    status: Status
    text: str
    location: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """A list of findings, most important first."""

    items: tuple[Finding, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin of a histogram: [low, high) and how many values fell into it."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Series:
    """The bins of one role."""

    role: str
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts per bin for one or more roles over the same bins; `marks` are labelled positions.

    `logarithmic` says that bin edges are powers and the axis is spaced by their logarithm.
    """

    title: str
    x_label: str
    series: tuple[Series, ...]
    marks: Mapping[str, float] = field(default_factory=dict)
    logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a scatter plot; `bad` marks it as beyond the tolerance."""

    x: float
    y: float
    label: str = ""
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Scatter:
    """A sample of points, drawn with the line y = x when both axes have one unit."""

    title: str
    x_label: str
    y_label: str
    points: tuple[Point, ...]
    diagonal: bool = True


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through (x, y) points; y of 0 or below has no place on a logarithmic axis."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """Lines over one axis, such as drift over steps; `marks` are labelled places on it.

    `logarithmic` says how the y axis is spaced; `ticks` names places of the x axis where its
    numbers would mean nothing to a reader.
    """

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    marks: Mapping[str, float] = field(default_factory=dict)
    logarithmic: bool = True
    ticks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layer:
    """How far one layer is off, as ratios to the noise floor; None where it was not measured."""

    path: str
    kind: str
    cumulative: float | None
    local: float | None
    status: Status
    note: str = ""


@dataclass(frozen=True, slots=True)
class Layers:
    """Layers in order of execution; ratios above `limit` are beyond it."""

    layers: tuple[Layer, ...]
    limit: float
    title: str = "Layers"


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Counts by two coordinates: ``counts[y][x]``, both numbered from 0."""

    title: str
    x_label: str
    y_label: str
    counts: tuple[tuple[int, ...], ...]

    @property
    def off_diagonal(self) -> int:
        """How much lies where the coordinates differ."""
        return sum(n for y, row in enumerate(self.counts) for x, n in enumerate(row) if x != y)


Block = Facts | Table | Findings | Histogram | Scatter | Curves | Layers | HeatMap


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with blocks below it."""

    title: str
    blocks: tuple[Block, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a reader gets.

    Attributes:
        title: What was compared.
        verdict: The verdict with all checks.
        roles: What each role is, for example {"v1": "v1_responses.lzo"}; keys from `ROLES`.
        sections: The body, in reading order.
        provenance: Hashes, versions, and a time if the caller wants one.
        command: Command line that produces this report again.
    """

    title: str
    verdict: Verdict
    roles: Mapping[str, str]
    sections: tuple[Section, ...] = ()
    provenance: Mapping[str, Cell] = field(default_factory=dict)
    command: str | None = None

    def __post_init__(self) -> None:
        unknown = [role for role in self.roles if role not in ROLES]
        if unknown:
            raise ValueError(f"unknown role {unknown[0]!r}; roles are {', '.join(ROLES)}")
