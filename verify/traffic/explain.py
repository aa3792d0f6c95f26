"""The cause, where the checks together show one: it belongs into the verdict's sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from verify.verdict import Check, Stage, Status, Verdict

__all__ = ["explained"]

# Stages that explain differences of values, the most specific first.
_CAUSES = (Stage.CALIBRATION, Stage.SLICES, Stage.TRAFFIC)


def explained(checks: Sequence[Check]) -> Verdict:
    """Combine checks, and let the verdict name the check that explains the first failure.

    A broken slice or a wrong calibration fails the values first, and "many values differ" is not
    what the owner of a model needs to hear.

    Args:
        checks: All checks.
    """
    verdict = Verdict.combine(checks)
    if verdict.status is not Status.FAIL or verdict.decisive is None:
        return verdict
    failed = [check for check in verdict.checks if check.status is Status.FAIL]
    gathered = [check for check in failed if check.numbers.get("gathered")]
    by_stage = [check for stage in _CAUSES for check in failed if check.stage is stage]
    cause = next(iter(gathered + by_stage), None)
    if cause is None or cause is verdict.decisive or verdict.decisive.stage is Stage.JOIN:
        return verdict
    because = f"; cause: {cause.stage}: {cause.name}: {cause.detail}"
    return replace(verdict, reason=verdict.reason + because)
