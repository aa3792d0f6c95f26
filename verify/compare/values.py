"""Element by element: how far v2 is from v1, in every unit somebody asks for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Relative and ULP errors of values near zero are noise; they are taken above this absolute floor.
RELATIVE_FLOOR = 1e-6
# A float32 sigmoid is exactly 1 from about 17 on; beyond 16 (probability 1.1e-7 from the end) two
# logits recovered from probabilities count as equal, and the rows count as saturated.
LOGIT_LIMIT = 16.0


@dataclass(frozen=True, slots=True)
class ValueResult:
    """Everything measured between two arrays of one shape.

    Errors are `got - ref` in float64 over elements that are finite on both sides. Indices are
    positions in the flattened arrays.

    Attributes:
        passed: Whether the tolerance (with its outlier budget) and the NaN/Inf pattern hold.
        values_passed: Whether the tolerance holds where both sides are finite.
        count: Elements compared, including those not finite.
        mismatched: Finite elements beyond the tolerance.
        budget: Mismatched elements the tolerance accepts.
        nonfinite: Elements not finite on either side.
        nonfinite_mismatched: Elements whose NaN, +Inf or -Inf differs between the sides.
        nonfinite_index: The first of those; None when the pattern agrees.
        max_abs, mean_abs, p50_abs, p99_abs, p999_abs: Absolute error.
        max_rel, max_ulp: Over elements with |ref| above `RELATIVE_FLOOR`; ULP of the coarser dtype.
        bias: Signed mean error.
        bias_share: Bias over mean |error|: 0 is symmetric, 1 says every error has one sign.
        cosine: Cosine of the two vectors; None when one of them is zero.
        worst_index: The element furthest beyond (or closest to) what was allowed.
        worst_ref, worst_got, worst_abs, worst_allowed: Its figures.
        worst_ratio: |error| over what was allowed there; above 1 is beyond it.
        needed_atol: The smallest `atol` that would pass with the same `rtol` and budget.
    """

    passed: bool
    values_passed: bool
    count: int
    mismatched: int
    budget: int
    nonfinite: int
    nonfinite_mismatched: int
    nonfinite_index: int | None
    max_abs: float
    mean_abs: float
    p50_abs: float
    p99_abs: float
    p999_abs: float
    max_rel: float
    max_ulp: float
    bias: float
    bias_share: float
    cosine: float | None
    worst_index: int | None
    worst_ref: float | None
    worst_got: float | None
    worst_abs: float
    worst_allowed: float
    worst_ratio: float
    needed_atol: float

    def numbers(self) -> dict[str, float | int | str | bool | None]:
        """Return all figures by name."""
        return asdict(self)

    def sentence(self) -> str:
        """Say in one sentence how the finite values came out."""
        if self.worst_index is None:
            return f"{self.count:,} values, none of them finite"
        allowance = f" (budget {self.budget:,})" if self.budget else ""
        return (
            f"{self.mismatched:,} of {self.count:,} values beyond the tolerance{allowance}; "
            f"worst |d| = {self.worst_abs:.3g} where {self.worst_allowed:.3g} is allowed"
        )


def measure(
    ref: Array,
    got: Array,
    allowed: Floats | float,
    *,
    within: Mask | None = None,
    origin: Array | None = None,
    rtol: float = 0.0,
    outlier_share: float = 0.0,
    outlier_cap: float = 0.0,
) -> ValueResult:
    """Measure `got` against `ref`.

    Args:
        ref: Reference values (v1 or the oracle), any shape, float, integer or boolean.
        got: Candidate values of the same shape.
        allowed: Largest |error| accepted, per element or for all.
        within: Elements that pass; default `|error| <= allowed`.
        origin: What the error is taken against; default `ref`.
        rtol: Relative part of `allowed`, for `needed_atol`.
        outlier_share: Share of elements that may be beyond the tolerance.
        outlier_cap: Hard cap on the |error| of those.

    Returns:
        All figures, and whether they pass.

    Raises:
        ValueError: The shapes differ or there is nothing to compare.
    """
    if ref.shape != got.shape:
        raise ValueError(f"shapes differ: {ref.shape} and {got.shape}; align before comparing")
    if ref.size == 0:
        raise ValueError("nothing to compare: the arrays are empty")
    ref, got = ref.reshape(-1), got.reshape(-1)
    bad_pattern = nonfinite_mismatch(ref, got)
    finite = np.isfinite(ref) & np.isfinite(got)
    base = ref if origin is None else origin.reshape(-1)
    everything = bool(finite.all())
    pick = slice(None) if everything else finite
    with np.errstate(over="ignore"):
        signed = got[pick].astype(np.float64) - base[pick].astype(np.float64)
    error = np.abs(signed)
    limit = np.broadcast_to(np.asarray(allowed, np.float64).reshape(-1), ref.shape)[pick]
    beyond = ~within.reshape(-1)[pick] if within is not None else ~(error <= limit)
    if ref.dtype.kind in "iub" and within is None:
        # float64 cannot tell neighbouring integers above 2^53 apart
        beyond |= (error == 0.0) & (ref[pick] != got[pick]) & (limit < 1.0)
    mismatched = int(np.count_nonzero(beyond))
    budget = int(outlier_share * ref.size)
    in_budget = mismatched <= budget and (mismatched == 0 or error[beyond].max() <= outlier_cap)
    bad_count = int(np.count_nonzero(bad_pattern))
    return ValueResult(
        passed=bad_count == 0 and bool(in_budget),
        values_passed=bool(in_budget),
        count=ref.size,
        mismatched=mismatched,
        budget=budget,
        nonfinite=int(ref.size - (ref.size if everything else np.count_nonzero(finite))),
        nonfinite_mismatched=bad_count,
        nonfinite_index=int(np.argmax(bad_pattern)) if bad_count else None,
        **_statistics(ref[pick], got[pick], signed, error),
        **_worst(ref, got, error, limit, beyond, None if everything else np.flatnonzero(finite)),
        needed_atol=_needed_atol(error, base[pick], rtol, budget),
    )


def nonfinite_mismatch(ref: Array, got: Array) -> Mask:
    """Mark elements whose NaN, +Inf or -Inf differs between the sides.

    Args:
        ref: Values of any shape.
        got: Values of the same shape.

    Returns:
        True where the patterns differ.
    """
    if ref.dtype.kind not in "fc" and got.dtype.kind not in "fc":
        return np.zeros(ref.shape, np.bool_)
    finite_ref, finite_got = np.isfinite(ref), np.isfinite(got)
    if finite_ref.all() and finite_got.all():
        return np.zeros(ref.shape, np.bool_)
    same = (
        (finite_ref & finite_got) | (np.isnan(ref) & np.isnan(got)) | (np.isinf(ref) & (ref == got))
    )
    return np.asarray(~same)


def ulp_distance(a: Array, b: Array) -> Floats:
    """Count the representable numbers between two float arrays of one dtype.

    Args:
        a: float16, float32 or float64 values.
        b: Values of the same shape and dtype.

    Returns:
        Distances as float64 (exact up to 2^53); NaN where either side is NaN.
    """
    bits = {2: np.int16, 4: np.int32, 8: np.int64}[a.dtype.itemsize]
    negative = np.signbit(a).any() or np.signbit(b).any()
    if not negative and not np.isnan(a).any() and not np.isnan(b).any():
        return np.abs(a.view(bits) - b.view(bits)).astype(np.float64)
    order_a, order_b = _ordered(a.view(bits)), _ordered(b.view(bits))
    opposite = (order_a < 0) != (order_b < 0)
    with np.errstate(over="ignore"):
        near = np.abs(order_a - order_b).astype(np.float64)
    far = np.abs(order_a.astype(np.float64)) + np.abs(order_b.astype(np.float64))
    return np.where(np.isnan(a) | np.isnan(b), np.nan, np.where(opposite, far, near))


def _ordered(bits: Array) -> NDArray[np.int64]:
    """Map sign-and-magnitude bits to integers in the order of the floats; both zeros become 0."""
    smallest = np.iinfo(bits.dtype).min
    wide = bits.astype(np.int64)
    return np.where(wide < 0, np.int64(smallest) - wide, wide)


def logit(probability: Array) -> Floats:
    """Return log(p / (1 - p)) in float64, clipped to `LOGIT_LIMIT` on both sides.

    Args:
        probability: Values in [0, 1], any float dtype; NaN stays NaN.

    Returns:
        Logits of the same shape.
    """
    p = probability.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        raw: Floats = np.log(p) - np.log1p(-p)
    return raw.clip(-LOGIT_LIMIT, LOGIT_LIMIT)


def logit_resolution(probability: Array, dtype: Any = np.float32) -> Floats:
    """Return how much a logit moves when the probability moves by one ULP of `dtype`.

    Args:
        probability: Values in [0, 1].
        dtype: Precision the probabilities were computed in.

    Returns:
        Steps in logits, float64, same shape.
    """
    edge = 1.0 / (1.0 + np.exp(LOGIT_LIMIT))
    p = np.clip(probability.astype(np.float64), edge, 1.0 - edge)
    step: Floats = np.spacing(p.astype(dtype)).astype(np.float64) / (p * (1.0 - p))
    return step


def _statistics(ref: Array, got: Array, signed: Floats, error: Floats) -> dict[str, Any]:
    if not error.size:
        zero = (
            "max_abs",
            "mean_abs",
            "p50_abs",
            "p99_abs",
            "p999_abs",
            "max_rel",
            "max_ulp",
            "bias",
        )
        return dict.fromkeys(zero, 0.0) | {"bias_share": 0.0, "cosine": None}
    p50, p99, p999 = np.quantile(error, (0.5, 0.99, 0.999))
    mean, bias = float(error.mean()), float(signed.mean())
    magnitude = np.abs(ref.astype(np.float64))
    large = magnitude > RELATIVE_FLOOR
    return {
        "max_abs": float(error.max()),
        "mean_abs": mean,
        "p50_abs": float(p50),
        "p99_abs": float(p99),
        "p999_abs": float(p999),
        "max_rel": float((error[large] / magnitude[large]).max()) if large.any() else 0.0,
        "max_ulp": _max_ulp(ref[large], got[large]),
        "bias": bias,
        "bias_share": abs(bias) / mean if mean else 0.0,
        "cosine": _cosine(ref, got),
    }


def _max_ulp(ref: Array, got: Array) -> float:
    if not ref.size or ref.dtype.kind != "f" or got.dtype.kind != "f":
        return 0.0
    coarser = ref.dtype if ref.dtype.itemsize <= got.dtype.itemsize else got.dtype
    return float(ulp_distance(ref.astype(coarser), got.astype(coarser)).max())


def _cosine(ref: Array, got: Array) -> float | None:
    a, b = ref.astype(np.float64), got.astype(np.float64)
    scale_a, scale_b = np.abs(a).max(), np.abs(b).max()
    if not scale_a or not scale_b:
        return None
    a, b = a / scale_a, b / scale_b
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def _worst(
    ref: Array, got: Array, error: Floats, limit: Floats, beyond: Mask, indices: Array | None
) -> dict[str, Any]:
    if not error.size:
        names = ("worst_abs", "worst_allowed", "worst_ratio")
        return dict.fromkeys(names, 0.0) | dict.fromkeys(("worst_index", "worst_ref", "worst_got"))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.nan_to_num(error / limit, nan=0.0, posinf=np.inf)
    # among equals (an exact tolerance makes every ratio infinite) the largest error is the worst
    candidates = np.flatnonzero(beyond) if beyond.any() else np.arange(error.size)
    top = candidates[ratio[candidates] == ratio[candidates].max()]
    at = int(top[np.argmax(error[top])])
    index = at if indices is None else int(indices[at])
    return {
        "worst_index": index,
        "worst_ref": float(ref[index]),
        "worst_got": float(got[index]),
        "worst_abs": float(error[at]),
        "worst_allowed": float(limit[at]),
        "worst_ratio": float(ratio[at]),
    }


def _needed_atol(error: Floats, base: Array, rtol: float, budget: int) -> float:
    if error.size <= budget:
        return 0.0
    excess = error - rtol * np.abs(base.astype(np.float64)) if rtol else error
    at = excess.size - 1 - budget
    largest = excess.max() if budget == 0 else np.partition(excess, at)[at]
    return max(0.0, float(largest))
