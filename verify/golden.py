"""Golden cases: what real Torch answered, against the reader, the oracle and the converted model.

A case is a folder with ``case.json`` and the ``.t7`` files it describes. Every case goes through
every check that its files allow; a check that cannot be made says why, and the policy must know it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from migrate.context import ConversionError
from migrate.registry import declared
from verify import oracle
from verify.golden_case import Case, GoldenError, discover
from verify.golden_checks import CHECKS, CONDITIONS, Check
from verify.golden_compare import Off, compare, matched
from verify.golden_policy import GoldenPolicy, NotMade

__all__ = [
    "CHECKS",
    "Case",
    "CaseResult",
    "Check",
    "CheckResult",
    "GoldenError",
    "GoldenPolicy",
    "Outcome",
    "discover",
    "run_case",
    "run_check",
]

Outcome = Literal["pass", "fail", "unsupported", "excluded"]
# The worse of two outcomes is the later.
ORDER: tuple[Outcome, ...] = ("excluded", "pass", "unsupported", "fail")


@dataclass(frozen=True)
class CheckResult:
    """One check of one case.

    Attributes:
        case: ``modules/Linear``.
        check: name of the check.
        status: how it came out.
        error: largest |difference|; None when nothing was compared.
        allowed: what the policy accepts where the ratio is worst.
        ratio: largest error as a multiple of what was allowed.
        detail: what differs, or why the check was not made.
    """

    case: str
    check: str
    status: Outcome
    error: float | None = None
    allowed: float | None = None
    ratio: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class CaseResult:
    """Every check of one case.

    Attributes:
        case: ``modules/Linear``.
        suite: ``modules``.
        classes: of the modules in it.
        checks: in the order of :data:`CHECKS`.
        note: why nothing was looked at; empty where something was.
    """

    case: str
    suite: str
    classes: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] = field(default=())
    note: str = ""

    @property
    def status(self) -> Outcome:
        """The worst of the checks."""
        return max((c.status for c in self.checks), key=ORDER.index, default="excluded")


def run_case(case: Case, policy: GoldenPolicy | None = None, only: str = "") -> CaseResult:
    """Every check of a case.

    Args:
        case: to check.
        policy: tolerances and exclusions; default: the packaged policy.
        only: run checks whose name starts with this.
    """
    policy = policy or GoldenPolicy.load()
    wanted = [check for check in CHECKS if check.name.startswith(only)]
    try:
        chosen = [check for check in wanted if check.applies(case)]
        suite = case.suite
        note = "" if case.kind in ("module", "criterion", "io") else _not_looked_at(case)
        classes = case.classes if case.kind in ("module", "criterion") else ()
    except Exception as error:  # noqa: BLE001 - a case that cannot be read is a result
        unread = CheckResult(case.name, "reader", "fail", detail=_message(error))
        return CaseResult(case.name, case.folder.parent.name, checks=(unread,))
    checks = tuple(run_check(case, check, policy) for check in chosen)
    return CaseResult(case.name, suite, classes, checks, note)


def _not_looked_at(case: Case) -> str:
    kinds = {"rng": "a sequence of the random generator", "training": "a training run"}
    return f"{kinds.get(case.kind, 'a case of unknown form')}: no check here looks at it"


def run_check(case: Case, check: Check, policy: GoldenPolicy) -> CheckResult:
    """One check of one case; whatever the implementation raises is a result."""
    excluded = policy.exclusion(check.name, case.name, None)
    if excluded is not None:
        return CheckResult(case.name, check.name, "excluded", detail=excluded)
    try:
        missing = _missing(case, check)
        if missing:
            return CheckResult(case.name, check.name, "unsupported", detail=missing)
        if check.unless is not None and CONDITIONS[check.unless](case):
            raise NotMade(check.unless)
        return _judge(case, check, policy)
    except NotMade as reason:
        excluded = policy.exclusion(check.name, case.name, reason.condition)
        if excluded is not None:
            detail = f"{reason.what}: {excluded}" if reason.what else excluded
            return CheckResult(case.name, check.name, "excluded", detail=detail)
        detail = f"not made ({reason.condition}), and {policy.source} has no exclusion for that"
        return CheckResult(case.name, check.name, "fail", detail=detail)
    except (ConversionError, NotImplementedError) as error:
        return CheckResult(case.name, check.name, "unsupported", detail=str(error))
    except Exception as error:  # noqa: BLE001 - a candidate's exception is a result
        return CheckResult(case.name, check.name, "fail", detail=_message(error))


def _message(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _missing(case: Case, check: Check) -> str:
    """The classes of a case that the checked implementation does not know, as a message."""
    if check.name.startswith("reader"):
        return ""
    unknown = [name for name in case.classes if name not in oracle.registered()]
    if unknown and check.name.startswith("oracle"):
        return f"the oracle does not know {', '.join(unknown)}"
    unknown = [name for name in case.classes if name not in declared()]
    if unknown and not check.name.startswith("oracle"):
        return f"no converter for {', '.join(unknown)}"
    return ""


def _judge(case: Case, check: Check, policy: GoldenPolicy) -> CheckResult:
    worst, largest, compared, details = Off(), 0.0, 0, []
    for what, reference, got in check.run(case):
        for path, ref, value in matched(what, reference, got):
            if isinstance(value, str):
                details.append(value)
                continue
            off = compare(ref, value, policy, check.name, f"{case.name}/{path}")
            compared += 1
            largest = max(largest, off.error)
            worst = max(worst, off, key=lambda found: found.ratio)
            if off.ratio > 1:
                details.append(
                    f"{path}: off by {off.error:.3g}, {off.ratio:.3g} times what is allowed"
                )
    status: Outcome = "fail" if details else "pass"
    text = "; ".join(details[:5]) + (f"; and {len(details) - 5} more" if len(details) > 5 else "")
    if not compared:
        return CheckResult(case.name, check.name, status, detail=text)
    return CheckResult(case.name, check.name, status, largest, worst.allowed, worst.ratio, text)
