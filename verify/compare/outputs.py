"""Two arrays that answer the same input: shape, dtype, NaN/Inf pattern, values, in this order."""

from __future__ import annotations

import numpy as np

from verify.compare.values import Array, ValueResult, nonfinite_mismatch
from verify.tolerance import Tolerance
from verify.verdict import Check, Stage, Status


def compare_outputs(
    name: str, v1: Array, v2: Array, tolerance: Tolerance, oracle: Array | None = None
) -> tuple[list[Check], ValueResult | None]:
    """Compare one output of v1 with the same output of v2.

    Args:
        name: Output or layer path, for the checks.
        v1: Reference values, any shape.
        v2: Candidate values.
        tolerance: What difference is acceptable.
        oracle: float64 values of the same shape; calibrated tolerances need them.

    Returns:
        The checks, ending at the first stage that makes further ones meaningless, and the figures
        if values were compared. Arrays without any element, and arrays that are NaN throughout,
        are NOT COMPARABLE: there is nothing in them that could agree.
    """
    if v1.shape != v2.shape:
        detail = f"v1 has shape {v1.shape}, v2 {v2.shape}"
        return [Check(name, Stage.SHAPES, Status.FAIL, detail)], None
    checks = [Check(name, Stage.SHAPES, Status.PASS, f"{v1.shape} on both sides")]
    same = v1.dtype == v2.dtype
    detail = f"{v1.dtype} on both sides" if same else f"v1 is {v1.dtype}, v2 {v2.dtype}"
    checks.append(Check(name, Stage.DTYPES, Status.PASS if same else Status.FAIL, detail))
    if v1.size == 0 or (v1.dtype.kind == "f" and bool(np.isnan(v1).all() & np.isnan(v2).all())):
        detail = "no elements" if v1.size == 0 else "NaN throughout on both sides"
        checks.append(Check(name, Stage.VALUES, Status.NOT_COMPARABLE, detail))
        return checks, None
    result = tolerance.check(v1, v2, oracle)
    if result.nonfinite:
        bad = nonfinite_mismatch(v1, v2)
        count = int(np.count_nonzero(bad))
        checks.append(
            Check(
                name,
                Stage.NONFINITE,
                Status.FAIL if count else Status.PASS,
                f"NaN or Inf differs in {count} of {v1.size} values"
                if count
                else f"{result.nonfinite} NaN or Inf at the same places",
                location=_place(v1, int(np.argmax(bad))) if count else None,
            )
        )
    location = None if result.worst_index is None else _place(v1, result.worst_index)
    checks.append(
        Check(
            name,
            Stage.VALUES,
            Status.PASS if result.values_passed else Status.FAIL,
            f"{result.sentence()} ({tolerance.describe()})",
            result.numbers(),
            location,
        )
    )
    return checks, result


def _place(array: Array, index: int) -> str:
    return f"index {tuple(int(i) for i in np.unravel_index(index, array.shape))}"
