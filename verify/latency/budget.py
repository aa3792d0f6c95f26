"""What v2 may take, a limit a line.

``p99 <= 1.1 * v1``, ``cpu p50 <= 1.05 * v1``, ``service p99.9 <= 20 ms``; without a metric it is
``response``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = [
    "METRICS",
    "Budget",
    "BudgetError",
    "default_budgets",
    "load_budgets",
    "parse_budgets",
]

METRICS = {
    "response": "from the time a request was due to its answer, requests arriving on a schedule",
    "undisturbed": "the response without what other processes took of the processor meanwhile",
    "service": "from call to answer, one request after another",
    "cpu": "CPU time of a call",
}
# The first set whose metrics were measured.
DEFAULTS = (
    """
    undisturbed p99 <= 1.1 * v1
    service p50 <= 1.1 * v1
    cpu p50 <= 1.1 * v1
    """,
    """
    response p99 <= 1.1 * v1
    service p50 <= 1.1 * v1
    """,
    "response p99 <= 1.1 * v1",
    "service p99 <= 1.1 * v1",
)
_LINE = re.compile(
    r"(?:(?P<metric>[a-z]+)\s+)?p(?P<percent>\d+(?:\.\d+)?)\s*<=\s*(?P<figure>\d+(?:\.\d+)?)"
    r"\s*(?:(?P<ratio>\*\s*v1)|(?P<unit>us|ms|s))"
)
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


class BudgetError(ValueError):
    """A line of a budget cannot be read; says which."""


@dataclass(frozen=True)
class Budget:
    """One limit.

    Attributes:
        metric: one of `METRICS`.
        percent: which percentile.
        ratio: most that v2 may take, as a multiple of v1; None for an absolute limit.
        seconds: most that v2 may take; None for a limit relative to v1.
    """

    metric: str
    percent: float
    ratio: float | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one line.

        Raises:
            BudgetError: it is none.
        """
        found = _LINE.fullmatch(text.strip())
        if found is None:
            raise BudgetError(f"{text.strip()!r}; write for example 'service p50 <= 1.1 * v1'")
        metric, percent = found["metric"] or "response", float(found["percent"])
        if metric not in METRICS:
            raise BudgetError(f"unknown metric {metric!r}; metrics are {', '.join(METRICS)}")
        figure = float(found["figure"])
        if not 0 < percent < 100 or figure <= 0:
            raise BudgetError(
                f"{text.strip()!r}: percentiles lie between 0 and 100, limits above 0"
            )
        if found["ratio"]:
            return cls(metric, percent, ratio=figure)
        return cls(metric, percent, seconds=figure * _UNITS[found["unit"]])

    @property
    def name(self) -> str:
        """What is limited, for example ``response p99``."""
        return f"{self.metric} p{self.percent:g}"

    def __str__(self) -> str:
        limit = f"{self.seconds * 1e3:g} ms" if self.seconds else f"{self.ratio:g} * v1"
        return f"{self.name} <= {limit}"


def parse_budgets(text: str, where: str = "budget") -> tuple[Budget, ...]:
    """Read lines; ``#`` begins a comment.

    Raises:
        BudgetError: a line is no limit, limits something twice, or there is none.
    """
    found: dict[str, Budget] = {}
    for number, line in enumerate(text.splitlines(), 1):
        content = line.split("#")[0].strip()
        if not content:
            continue
        try:
            budget = Budget.parse(content)
        except BudgetError as error:
            raise BudgetError(f"{where}:{number}: {error}") from None
        if budget.name in found:
            raise BudgetError(f"{where}:{number}: {budget.name} has a limit already")
        found[budget.name] = budget
    if not found:
        raise BudgetError(f"{where}: no limits; write for example 'p99 <= 1.1 * v1'")
    return tuple(found.values())


def load_budgets(path: Path) -> tuple[Budget, ...]:
    """The limits of a file.

    Raises:
        BudgetError: see `parse_budgets`.
    """
    return parse_budgets(path.read_text(), str(path))


def default_budgets(metrics: Collection[str]) -> tuple[Budget, ...]:
    """The limits that apply where nobody set any.

    Args:
        metrics: what is measured.
    """
    for text in DEFAULTS:
        budgets = parse_budgets(text)
        if all(budget.metric in metrics for budget in budgets):
            return budgets
    return ()
