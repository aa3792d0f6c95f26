"""From single checks to one verdict and one exit code.

A check says what was looked at, at which stage, and how it came out. `Verdict.combine` applies one
table of rules to all of them. A verdict passes only on evidence: values that were compared and
agreed. A set of checks that looked at names and shapes alone, or at nothing, never passes.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

EXIT_USAGE = 2
EXIT_INTERNAL_ERROR = 70

Number = float | int | str | bool | None


class Status(enum.StrEnum):
    """How a check or a whole comparison came out."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_COMPARABLE = "NOT COMPARABLE"

    @property
    def exit_code(self) -> int:
        """Exit code of a command that ends with this status."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Status.PASS: 0,
    Status.FAIL: 1,
    Status.INCONCLUSIVE: 3,
    Status.NOT_COMPARABLE: 4,
}


class Power(enum.Enum):
    """What a passing check of a stage contributes to the verdict."""

    GATE = "a condition for comparing at all; passing it proves nothing"
    EVIDENCE = "compares what the models compute; needed for PASS"
    MONITOR = "may raise an alarm; never enough for PASS"


class Stage(enum.StrEnum):
    """Where a check belongs, in the order in which checks run and failures are named."""

    NAMES = "names"
    SHAPES = "shapes"
    DTYPES = "dtypes"
    JOIN = "join"
    NONFINITE = "nonfinite"
    VALUES = "values"
    LOGITS = "logits"
    GRADIENTS = "gradients"
    TRAINING = "training"
    DISCRETIZER = "discretizer"
    RANKING = "ranking"
    CALIBRATION = "calibration"
    SLICES = "slices"
    TRAFFIC = "traffic"
    LATENCY = "latency"
    DISTRIBUTION = "distribution"
    NOISE = "noise"
    POLICY = "policy"

    @property
    def power(self) -> Power:
        """What passing this stage contributes to the verdict."""
        return _POWERS.get(self, Power.EVIDENCE)

    @property
    def position(self) -> int:
        """Place in the order of stages, from 0."""
        return _POSITIONS[self]


_POSITIONS = {stage: position for position, stage in enumerate(Stage)}
_POWERS = {
    Stage.NAMES: Power.GATE,
    Stage.SHAPES: Power.GATE,
    Stage.DTYPES: Power.GATE,
    Stage.JOIN: Power.GATE,
    Stage.NONFINITE: Power.GATE,
    Stage.DISTRIBUTION: Power.MONITOR,
    Stage.NOISE: Power.MONITOR,
    Stage.POLICY: Power.GATE,
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What was checked, for example a column or a layer path.
        stage: Where it belongs in the order of checks.
        status: How it came out.
        detail: One sentence with the figures that matter.
        numbers: The figures themselves, by name.
        location: Where to look: a row id, an index, a file and line; None when it has no place.
    """

    name: str
    stage: Stage
    status: Status
    detail: str
    numbers: Mapping[str, Number] = field(default_factory=dict)
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison says, and why.

    Attributes:
        status: The verdict.
        reason: One sentence that names the first stage that decided it.
        checks: Every check, in the order of stages.
        decisive: The first check that kept the verdict from PASS, or the one that names the cause
            where that is known; None for PASS or when nothing was checked.
    """

    status: Status
    reason: str
    checks: tuple[Check, ...]
    decisive: Check | None = None

    @property
    def exit_code(self) -> int:
        """Exit code of a command that ends with this verdict."""
        return self.status.exit_code

    @classmethod
    def combine(cls, checks: Iterable[Check]) -> Verdict:
        """Combine checks into a verdict; the first rule of the table that applies decides.

        Args:
            checks: Any number of checks in any order.

        Returns:
            The verdict, its checks sorted by stage (checks of one stage keep their order).
        """
        ordered = tuple(sorted(checks, key=lambda check: check.stage.position))
        for rule in _RULES:
            if rule.applies(ordered):
                decisive = _first(ordered, rule.status) if rule.names_a_check else None
                reason = _name(decisive) if decisive else rule.reason
                return cls(rule.status, reason, ordered, decisive)
        raise AssertionError("the last rule applies to everything")


@dataclass(frozen=True, slots=True)
class _Rule:
    status: Status
    applies: Callable[[tuple[Check, ...]], bool]
    reason: str = ""
    names_a_check: bool = False


def _any(status: Status) -> Callable[[tuple[Check, ...]], bool]:
    return lambda checks: _first(checks, status) is not None


def _first(checks: tuple[Check, ...], status: Status) -> Check | None:
    return next((check for check in checks if check.status is status), None)


def _name(check: Check) -> str:
    return f"{check.stage}: {check.name}: {check.detail}"


def _no_evidence(checks: tuple[Check, ...]) -> bool:
    return not any(check.stage.power is Power.EVIDENCE for check in checks)


_RULES = (
    _Rule(Status.NOT_COMPARABLE, lambda checks: not checks, "nothing was checked"),
    _Rule(Status.FAIL, _any(Status.FAIL), names_a_check=True),
    _Rule(Status.NOT_COMPARABLE, _any(Status.NOT_COMPARABLE), names_a_check=True),
    _Rule(Status.INCONCLUSIVE, _any(Status.INCONCLUSIVE), names_a_check=True),
    _Rule(Status.NOT_COMPARABLE, _no_evidence, "no values were compared"),
    _Rule(Status.PASS, lambda _: True, "every check passed"),
)
