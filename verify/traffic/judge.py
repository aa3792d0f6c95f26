"""Checks of a replay, one concern a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from verify.policy import Policy
from verify.stats.noise import NoiseFloor
from verify.tolerance import Tolerance
from verify.traffic.misplaced import misplaced
from verify.traffic.quality import FEWEST, Delta, quality_deltas
from verify.traffic.ranking import RequestOrder, order_within_requests
from verify.traffic.replay import Replayed
from verify.traffic.slices import SliceResult
from verify.traffic.stored import Stored
from verify.verdict import Check, Stage, Status

# Stages that v1's own noise can fail.
_NOISY = (Stage.VALUES, Stage.LOGITS, Stage.RANKING)


def rule(policy: Policy, output: str) -> Tolerance:
    """The tolerance of an output's values."""
    return policy.tolerance(dtype=np.float64, family="prediction", output=output)


def counts(replayed: Replayed) -> list[Check]:
    """Every request needs an answer of v1, and every answer a request."""
    if not replayed.requests:
        return [Check("requests", Stage.JOIN, Status.NOT_COMPARABLE, "there are no requests")]
    if replayed.stopped:
        return []
    checks = []
    for role, rows in (("v1", replayed.v1_rows), ("v1_repeat", replayed.repeat_rows)):
        if rows is not None and rows != replayed.requests:
            detail = (
                f"{replayed.requests:,} requests and {rows:,} answers of {role}; answers must "
                f"stand in the order of the requests, one each"
            )
            checks.append(Check(f"rows of {role}", Stage.JOIN, Status.NOT_COMPARABLE, detail))
    return checks


def answers(replayed: Replayed) -> list[Check]:
    """v2 must answer; with a sequential test, the rate of bad answers must be low enough."""
    checks = []
    if replayed.failures:
        detail = (
            f"v2 did not answer {replayed.failures:,} of {replayed.requests:,} requests: "
            f"{replayed.first_failure}"
        )
        checks.append(Check("answers", Stage.TRAFFIC, Status.FAIL, detail))
    elif replayed.requests:
        detail = f"v2 answered all of {replayed.requests:,} requests"
        checks.append(Check("answers", Stage.TRAFFIC, Status.PASS, detail))
    if (e := replayed.evidence) is not None:
        stopped = "; stopped early" if replayed.stopped else ""
        detail = (
            f"{e.bad:,} of {e.good + e.bad:,} answers are bad, {e.allowed:.3g} is allowed; "
            f"log e-value {e.log_value:.3g} against v2, {e.log_value_of_health:.3g} for it{stopped}"
        )
        checks.append(Check("rate of bad answers", Stage.TRAFFIC, e.status, detail))
    return checks


def places(stored: Stored, policy: Policy) -> list[Check]:
    """Answers must stand at their own requests."""
    checks = []
    for name in stored.v1:
        finite = np.isfinite(stored.v1[name]) & np.isfinite(stored.v2[name])
        at = np.flatnonzero(finite)

        def named(row: int, at: Any = at) -> str:
            return stored.row_name(int(at[row]))

        v1, v2 = stored.v1[name][at], stored.v2[name][at]
        found = misplaced(name, v1, v2, rule(policy, name), named) if len(at) else None
        if found is not None:
            checks.append(found)
    return [_alone_or_all(check, checks, len(stored.v1)) for check in checks]


def _alone_or_all(check: Check, found: Sequence[Check], outputs: int) -> Check:
    """Whether rows were shifted, or one column."""
    shift = check.numbers.get("shift")
    if shift is None or outputs == 1:
        return check
    alike = sum(other.numbers.get("shift") == shift for other in found)
    whole = "so did every output: one side lost or gained a row"
    alone = "not every output did: look at how this column was written"
    return replace(check, detail=f"{check.detail}; {whole if alike == outputs else alone}")


def noise(floors: Mapping[str, NoiseFloor], policy: Policy) -> list[Check]:
    """A tolerance below v1's own noise cannot be tested."""
    return [floor.check(name, rule(policy, name).atol) for name, floor in floors.items()]


def beyond_noise(
    checks: Sequence[Check], stored: Stored, floors: Mapping[str, NoiseFloor]
) -> list[Check]:
    """Demote failures that v1 shows against itself: they say nothing about v2."""
    inside = {
        name: floor.value
        for name, floor in floors.items()
        if np.nanmax(np.abs(stored.v2[name] - stored.v1[name])) <= floor.value
    }
    kept = []
    for check in checks:
        if check.status is Status.FAIL and check.stage in _NOISY and check.name in inside:
            detail = f"{check.detail}; but v1 differs from itself by {inside[check.name]:.3g}"
            check = replace(check, status=Status.INCONCLUSIVE, detail=detail)
        kept.append(check)
    return kept


def every_row(replayed: Replayed, policy: Policy) -> list[Check]:
    """Values of all rows, where the other figures are of a sample."""
    checks = []
    for name, beyond in replayed.beyond.items():
        budget = int(rule(policy, name).outlier_share * replayed.requests)
        status = Status.PASS if beyond <= budget else Status.FAIL
        detail = f"{beyond:,} of all {replayed.requests:,} answers are beyond the tolerance"
        checks.append(Check(name, Stage.VALUES, status, detail))
    return checks


def slices(results: Sequence[SliceResult]) -> list[Check]:
    """A check each slice that did not pass, and one for all that did."""
    checks = [
        Check(
            f"{result.slice.name} of {result.output}",
            Stage.SLICES,
            result.status,
            result.note,
            {"rows": result.rows, "beyond": result.beyond, "gathered": result.gathered},
            location=result.slice.predicate,
        )
        for result in results
        if result.status is not Status.PASS
    ]
    if passed := len(results) - len(checks):
        detail = f"{passed:,} slices: no bad answers gather in them, none moved as a whole"
        checks.append(Check("slices", Stage.SLICES, Status.PASS, detail))
    return checks


def quality(stored: Stored, policy: Policy) -> dict[str, tuple[Delta, ...]]:
    """Quality against labels, for outputs that are probabilities on both sides."""
    if stored.labels is None:
        return {}
    found = {}
    for name, v1 in stored.v1.items():
        v2 = stored.v2[name]
        probabilities = all(bool(np.all((s >= 0.0) & (s <= 1.0))) for s in (v1, v2))
        requests = len(v1) if stored.groups is None else len(stored.group_names)
        if probabilities and requests >= FEWEST:
            margin_of = partial(policy.margin, output=name)
            found[name] = quality_deltas(v1, v2, stored.labels, margin_of, stored.groups)
    return found


def quality_checks(deltas: Mapping[str, Sequence[Delta]]) -> list[Check]:
    """A check each figure; those that failed first, as the first one names the verdict."""
    order = {Status.FAIL: 0, Status.INCONCLUSIVE: 1, Status.PASS: 2}
    found = [(name, delta) for name, each in deltas.items() for delta in each]
    return [
        Check(
            name,
            Stage.CALIBRATION,
            delta.status,
            delta.sentence(),
            {"v1": delta.v1, "v2": delta.v2, "change": delta.interval.estimate},
        )
        for name, delta in sorted(found, key=lambda item: order[item[1].status])
    ]


def order(stored: Stored, name: str, policy: Policy) -> RequestOrder:
    """The order within requests, over rows that are finite on both sides."""
    v1, v2, repeat = stored.v1[name], stored.v2[name], stored.v1_repeat.get(name)
    keep = np.isfinite(v1) & np.isfinite(v2)
    if repeat is not None:
        keep &= np.isfinite(repeat)
    present, groups = np.unique(np.asarray(stored.groups)[keep], return_inverse=True)
    return order_within_requests(
        v1[keep],
        v2[keep],
        groups,
        [stored.group_names[int(g)] for g in present],
        rule(policy, name),
        None if stored.labels is None else stored.labels[keep],
        None if repeat is None else repeat[keep],
    )
