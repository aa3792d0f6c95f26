"""A golden case at another batch size: its own rows over and over, judged by the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np

from migrate.inputs import Dense, Plan, Sparse
from verify import oracle
from verify.golden_case import Case
from verify.golden_compare import Pairs
from verify.golden_policy import NotMade

__all__ = ["at_batch", "resized"]


def at_batch(size: int, case: Case) -> Pairs:
    """What the converted model gives for ``size`` rows, and what the oracle gives."""
    if case.converted.report.static_batch:
        raise NotMade("static_batch")
    inputs = resized(case.converted.plan, case.inputs, size)
    try:
        expected = oracle.forward(case.module, inputs)
    except (oracle.OracleError, ValueError, IndexError):
        raise NotMade("not_a_batch") from None
    answers = flat(case.converted(inputs))
    for n, (reference, got) in enumerate(zip(flat(expected), answers, strict=True), 1):
        # nn.View and nn.Reshape drop a batch of one, which a Keras model cannot.
        dropped = size == 1 and np.ndim(reference) + 1 == got.ndim
        # A loss is a Python number in the oracle.
        typed = np.asarray(reference, got.dtype) if isinstance(reference, float) else reference
        yield f"output {n}", typed, got[0] if dropped else got


def flat(value: Any) -> list[Any]:
    """The tensors of a tensor, or of nested tables."""
    return [leaf for v in value for leaf in flat(v)] if isinstance(value, list) else [value]


def resized(plan: Plan, value: Any, size: int) -> Any:
    """An input with ``size`` rows in place of those it has: its own, over and over.

    Raises:
        NotMade: an input has no batch dimension.
    """
    if isinstance(plan, list):
        return [resized(p, v, size) for p, v in zip(plan, value, strict=False)]
    rows = np.arange(size)
    if isinstance(plan, Dense):
        if not plan.shape or plan.shape[0] is not None:
            raise NotMade("no_batch")
        return np.take(value, rows % len(value), axis=0)
    if isinstance(plan, Sparse):
        return _sparse(plan.form, value, rows)
    raise NotMade("no_batch")


def _sparse(form: str, value: Any, rows: np.ndarray[Any, Any]) -> Any:
    if form == "block":
        return np.take(value, rows % len(value), axis=0)
    if form == "pairs":
        return [value[i % len(value)] for i in rows]
    if form == "tables":
        return [[entries[i % len(entries)] for i in rows] for entries in value]
    if form == "flat":
        keys, values, sizes = value
        ends = np.cumsum(sizes)
        chosen = [np.arange(ends[i] - sizes[i], ends[i]) for i in rows % len(sizes)]
        taken = np.concatenate(chosen)
        return [keys[taken], values[taken], np.array([len(c) for c in chosen])]
    raise NotMade("no_batch")
