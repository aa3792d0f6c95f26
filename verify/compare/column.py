"""One column of predictions through all stages, from NaN to distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from verify.compare import values
from verify.compare.calibration import Quality, quality
from verify.compare.distribution import Distance, distances
from verify.compare.ranking import Ints, Ranking, ndcg, rank
from verify.compare.values import Array, Floats, ValueResult
from verify.verdict import Check, Number, Stage, Status

if TYPE_CHECKING:
    from verify.policy import Policy
    from verify.tolerance import Tolerance

# A probability is trusted to this many float32 steps when it is turned into a logit.
LOGIT_STEPS = 4.0
TOP_K = 10


@dataclass(frozen=True, slots=True)
class ColumnComparison:
    """What was found about one column; parts that do not apply are None.

    Attributes:
        name: Column name in v1.
        checks: Every check, in the order of stages.
        finite: Rows finite on both sides, [rows] positions in the joined order.
        v1, v2: Their values.
        tolerance: The rule for values.
        values, logits: Figures on values and, for probabilities, on logits.
        ranking: Order over everything; `by_group` within each group.
        group_numbers: Which group each entry of `by_group` is.
        quality: Against labels, for v1 and v2.
        distances: Distribution distances.
    """

    name: str
    checks: tuple[Check, ...]
    finite: Ints
    v1: Array
    v2: Array
    tolerance: Tolerance
    values: ValueResult | None = None
    logits: ValueResult | None = None
    ranking: Ranking | None = None
    by_group: Ranking | None = None
    group_numbers: Ints | None = None
    quality: tuple[Quality, Quality] | None = None
    distances: tuple[Distance, ...] = ()


def compare_column(
    name: str,
    v1: Array,
    v2: Array,
    policy: Policy,
    *,
    labels: Floats | None = None,
    groups: Ints | None = None,
) -> ColumnComparison:
    """Compare one column of joined rows.

    Args:
        name: Column name, for the policy and the checks.
        v1: v1's values, [rows] or [rows, width].
        v2: v2's values of the same shape and in the same order.
        policy: The tolerance policy.
        labels: Truth, [rows].
        groups: Group numbers from 0 without gaps, [rows].

    Returns:
        All figures and checks.
    """
    dtype = _coarser(v1.dtype, v2.dtype)
    family = "prediction" if dtype.kind == "f" else ""
    tolerance = policy.tolerance(dtype=dtype, family=family, output=name)
    checks, usable = _nonfinite(name, v1, v2, policy)
    finite = np.flatnonzero(usable)
    a, b = (v1, v2) if len(finite) == len(v1) else (v1[finite], v2[finite])
    if not len(finite):
        return ColumnComparison(name, tuple(checks), finite, a, b, tolerance)
    result = tolerance.check(a, b)
    checks.append(
        _check(
            name,
            Stage.VALUES,
            result.values_passed,
            f"{result.sentence()} ({tolerance.describe()})",
            result.numbers(),
        )
    )
    checks += _limits(policy, name, Stage.VALUES, {"values.bias_share": result.bias_share})
    logits, logit_checks = _logits(name, a, b, policy)
    checks += logit_checks
    ranking = by_group = numbers = qualities = None
    if a.ndim == 1:
        present = None if groups is None else np.unique(groups[finite], return_inverse=True)
        own = None if present is None else present[1]
        truth = None if labels is None else labels[finite]
        within = np.abs(b.astype(np.float64) - a.astype(np.float64)) <= tolerance.allowed(a)
        ranking = rank(a, b, within, k=TOP_K)
        if own is not None and present is not None:
            by_group, numbers = rank(a, b, within, own, k=TOP_K), present[0]
        figures = _order(by_group or ranking) | _ndcg_delta(a, b, truth, own)
        checks += _limits(policy, name, Stage.RANKING, figures)
        if truth is not None and logits is not None:
            qualities = quality(a, truth), quality(b, truth)
            checks += _limits(policy, name, Stage.CALIBRATION, _deltas(*qualities))
    apart = distances(a.reshape(-1), b.reshape(-1))
    checks += _distribution(policy, name, apart)
    return ColumnComparison(
        name,
        tuple(checks),
        finite,
        a,
        b,
        tolerance,
        result,
        logits,
        ranking,
        by_group,
        numbers,
        qualities,
        apart,
    )


def _coarser(a: Any, b: Any) -> Any:
    """Return the dtype that decides: floats before integers, then the shorter one."""
    if a.kind != b.kind and "f" in (a.kind, b.kind):
        return a if a.kind == "f" else b
    return a if a.itemsize <= b.itemsize else b


def is_probability(array: Array) -> bool:
    """Say whether floats could be probabilities: all in [0, 1]."""
    return array.dtype.kind == "f" and bool(np.all((array >= 0.0) & (array <= 1.0)))


def _nonfinite(name: str, v1: Array, v2: Array, policy: Policy) -> tuple[list[Check], Any]:
    finite = np.isfinite(v1) & np.isfinite(v2)
    usable = finite.reshape(len(v1), -1).all(axis=1)
    different = np.count_nonzero(values.nonfinite_mismatch(v1, v2))
    if different:
        detail = f"NaN or Inf on one side or of another kind in {different:,} of {v1.size:,} values"
        return [Check(name, Stage.NONFINITE, Status.FAIL, detail)], usable
    common = v1.size - int(np.count_nonzero(finite))
    if common and policy.predictions.nonfinite == "forbid":
        detail = (
            f"{common:,} of {v1.size:,} values are NaN or Inf on both sides: nothing to compare"
        )
        return [Check(name, Stage.NONFINITE, Status.NOT_COMPARABLE, detail)], usable
    detail = f"{common:,} NaN or Inf, at the same places" if common else "all values are finite"
    return [Check(name, Stage.NONFINITE, Status.PASS, detail)], usable


def _logits(
    name: str, v1: Array, v2: Array, policy: Policy
) -> tuple[ValueResult | None, list[Check]]:
    if not is_probability(v1):
        return None, []
    if not is_probability(v2):
        outside = int(np.count_nonzero(~((v2 >= 0.0) & (v2 <= 1.0))))
        detail = f"v1 holds probabilities, {outside:,} values of v2 are outside [0, 1]"
        return None, [Check(name, Stage.LOGITS, Status.FAIL, detail)]
    rule = policy.tolerance(dtype=v1.dtype, family="logit", output=name)
    logit1, logit2 = values.logit(v1), values.logit(v2)
    allowed = rule.allowed(logit1) + LOGIT_STEPS * values.logit_resolution(v1)
    result = values.measure(
        logit1,
        logit2,
        allowed,
        rtol=rule.rtol,
        outlier_share=rule.outlier_share,
        outlier_cap=rule.outlier_cap,
    )
    saturated = int(np.count_nonzero(np.abs(logit1) >= values.LOGIT_LIMIT))
    detail = f"{result.sentence()} ({rule.describe()} + {LOGIT_STEPS:g} float32 steps)"
    detail += f"; {saturated:,} saturated in v1" if saturated else ""
    numbers = result.numbers() | {"saturated": saturated}
    return result, [_check(name, Stage.LOGITS, result.values_passed, detail, numbers)]


def _order(ranking: Ranking) -> dict[str, float]:
    figures = {
        "ranking.real_flips": float(ranking.real_flips.sum()),
        "ranking.topk_overlap": float(ranking.topk_overlap.mean()),
    }
    for key, each in (("kendall_tau", ranking.kendall_tau), ("weighted_tau", ranking.weighted_tau)):
        if not np.isnan(each).all():
            figures[f"ranking.{key}"] = float(np.nanmean(each))
    return figures


def _ndcg_delta(
    v1: Array, v2: Array, labels: Floats | None, groups: Ints | None
) -> dict[str, float]:
    if labels is None:
        return {}
    delta = ndcg(v2, labels, groups, TOP_K) - ndcg(v1, labels, groups, TOP_K)
    return {} if np.isnan(delta).all() else {"ranking.ndcg_delta": float(np.nanmean(delta))}


def _deltas(v1: Quality, v2: Quality) -> dict[str, float]:
    deltas = {
        "calibration.ratio_delta": v2.ratio - v1.ratio,
        "calibration.ece_delta": v2.ece - v1.ece,
        "calibration.auc_delta": v2.auc - v1.auc,
        "calibration.log_loss_delta": v2.log_loss - v1.log_loss,
        "calibration.rce_delta": v2.rce - v1.rce,
    }
    return {name: delta for name, delta in deltas.items() if not np.isnan(delta)}


def _distribution(policy: Policy, name: str, apart: tuple[Distance, ...]) -> list[Check]:
    moved = [d for d in apart if d.beyond_chance]
    detail = "; ".join(
        f"{d.name} {d.observed:.3g}, chance reaches {d.baseline:.3g}" for d in moved or apart
    )
    numbers = {f"{d.name}": d.value for d in apart} | {
        f"{d.name}_baseline": d.baseline for d in apart
    }
    check = _check(name, Stage.DISTRIBUTION, not moved, detail, dict(numbers))
    limits = {f"distribution.{d.name}": d.value for d in apart}
    return [check, *_limits(policy, name, Stage.DISTRIBUTION, limits, silent=True)]


def _limits(
    policy: Policy, name: str, stage: Stage, figures: dict[str, float], *, silent: bool = False
) -> list[Check]:
    """Check figures against the policy's limits; figures without one are reported together."""
    checks, free = [], {}
    for metric, value in figures.items():
        limit = policy.limit(metric)
        if limit is None:
            free[metric.split(".")[1]] = value
            continue
        detail = f"{metric} is {value:.4g}, must be {limit.describe()}"
        checks.append(_check(name, stage, limit.holds(value), detail, {metric: value}))
    if free and not checks and not silent and stage in (Stage.RANKING, Stage.CALIBRATION):
        detail = ", ".join(f"{key} {value:.4g}" for key, value in free.items())
        checks.append(_check(name, stage, True, f"{detail}; the policy sets no limit", dict(free)))
    return checks


def _check(
    name: str,
    stage: Stage,
    passed: bool,
    detail: str,
    numbers: dict[str, Number] | dict[str, float],
) -> Check:
    return Check(name, stage, Status.PASS if passed else Status.FAIL, detail, dict(numbers))
