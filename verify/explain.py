"""The cause, where the checks together show one: then it is the headline of the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from verify.verdict import Check, Stage, Status, Verdict

__all__ = ["explained"]

# What answers show first, whatever made them differ.
_EXPLAINED = (Stage.NONFINITE, Stage.VALUES, Stage.LOGITS, Stage.RANKING)
# Calibration explains differences that most answers have, and nearly all in one direction.
_MOST, _ONE_SIDED = 0.5, 0.9


def explained(checks: Sequence[Check]) -> Verdict:
    """Combine checks, and let the verdict name the check that explains the first failure.

    A broken layer, a broken slice and a wrong calibration all fail the values first, and "many
    values differ" is not what the owner of a model needs to hear.

    Args:
        checks: All checks.

    Returns:
        The verdict. Where one check explains the failure, it is the decisive one, and the reason
        tells both.
    """
    verdict = Verdict.combine(checks)
    first = verdict.decisive
    if verdict.status is not Status.FAIL or first is None or first.stage not in _EXPLAINED:
        return verdict
    failed = [check for check in verdict.checks if check.status is Status.FAIL]
    cause = next(iter(_causes(failed)), first)
    if cause is first:
        return verdict
    reason = (
        f"{cause.stage}: {cause.name}: {cause.detail}; first seen in {first.stage}: {first.name}: "
        f"{first.detail}"
    )
    return replace(verdict, reason=reason, decisive=cause)


def _causes(failed: Sequence[Check]) -> list[Check]:
    """Failures that explain others, the most specific first."""
    by_stage = {stage: [c for c in failed if c.stage is stage] for stage in Stage}
    layers = [check for check in by_stage[Stage.VALUES] if check.numbers.get("layer")]
    gathered = [check for check in by_stage[Stage.SLICES] if check.numbers.get("gathered")]
    moved = {c.name for c in by_stage[Stage.VALUES] if _moved_as_a_whole(c)}
    calibration = [check for check in by_stage[Stage.CALIBRATION] if check.name in moved]
    return layers + gathered + calibration + by_stage[Stage.SLICES] + by_stage[Stage.TRAFFIC]


def _moved_as_a_whole(check: Check) -> bool:
    def figure(name: str) -> float:
        value = check.numbers.get(name)
        return float(value) if isinstance(value, int | float) else 0.0

    most = figure("mismatched") >= _MOST * max(figure("count"), 1.0)
    return most and figure("bias_share") >= _ONE_SIDED
