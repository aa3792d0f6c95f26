"""The gate of a fast backend: it answers as the model does, or it is not used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from deepbird_v2.discretizers.percentile import PercentileDiscretizer

__all__ = ["Agreement", "Limit", "agree", "sample_records", "sample_tensors"]

Array = np.ndarray[Any, Any]
SIZES = (1, 2, 33, 128)


class _Runs(Protocol):
    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]: ...


@dataclass(frozen=True)
class Limit:
    """Acceptable |fast - model| <= atol + rtol·|model|; the defaults are those of verification."""

    atol: float = 1e-6
    rtol: float = 1e-5

    @classmethod
    def of_output(cls, name: str, records: bool) -> Limit:
        """The tolerance that ``deepbird verify`` gives an output of this name."""
        if not records:
            return cls()
        return cls(5e-6 if "calibrated" in name else 2e-6, 0.0)


@dataclass(frozen=True)
class Agreement:
    """What the gate found.

    Attributes:
        worst: output name → largest |fast - model|.
        problem: the first disagreement in words; None where there is none.
    """

    worst: Mapping[str, float]
    problem: str | None = None


def agree(
    model: _Runs, fast: _Runs, samples: Iterator[Mapping[str, Array]], limits: Mapping[str, Limit]
) -> Agreement:
    """Run samples through both and compare.

    Args:
        model: the reference.
        fast: the backend on trial.
        samples: inputs.
        limits: output name → tolerance.
    """
    worst = dict.fromkeys(limits, 0.0)
    for inputs in samples:
        try:
            expected = model.run(inputs)
        except Exception as error:  # noqa: BLE001 - a custom layer may raise anything
            return Agreement(worst, f"the model takes no sample inputs ({_brief(error)})")
        try:
            got = fast.run(inputs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the backend is not used
            return Agreement(worst, f"it fails on sample inputs ({_brief(error)})")
        if list(expected) != list(got):
            return Agreement(worst, f"outputs {list(got)} instead of {list(expected)}")
        for name, reference in expected.items():
            problem = _compare(name, reference, got[name], limits[name], worst)
            if problem is not None:
                return Agreement(worst, problem)
    return Agreement(worst)


def _brief(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _compare(
    name: str, reference: Array, got: Array, limit: Limit, worst: dict[str, float]
) -> str | None:
    if (got.shape, got.dtype) != (reference.shape, reference.dtype):
        return (
            f"{name} is {got.dtype}{list(got.shape)} instead of "
            f"{reference.dtype}{list(reference.shape)}"
        )
    finite = np.isfinite(reference)
    if not np.array_equal(reference[~finite], got[~finite], equal_nan=True):
        return f"{name} differs where the model gives NaN or infinities"
    with np.errstate(invalid="ignore"):
        difference = np.abs(got[finite].astype(np.float64) - reference[finite])
    worst[name] = max(worst[name], float(np.max(difference, initial=0.0)))
    allowed = limit.atol + limit.rtol * np.abs(reference[finite])
    if not (difference <= allowed).all():
        return (
            f"{name} differs by {worst[name]:.3g}, {limit.atol:g} + {limit.rtol:g}·|v| is allowed"
        )
    return None


def sample_records(
    states: Sequence[PercentileDiscretizer], fields: Sequence[int], seed: int = 0
) -> Iterator[dict[str, Array]]:
    """Decoded records that reach every feature and every edge of the discretizers.

    Args:
        states: of the model's discretizers.
        fields: feature ids to draw ``field`` from.
        seed: of the draws.

    Yields:
        Columns ``key``, ``value``, ``field`` and ``row_splits``; some rows are empty.
    """
    rng = np.random.default_rng(seed)
    for size in SIZES:
        lengths = rng.integers(0, 40, size)
        splits = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        n = int(splits[-1])
        key, value = rng.integers(-(2**63), 2**63 - 1, n), rng.normal(size=n)
        for state in states:
            rows = rng.integers(0, len(state.feature_ids), n)
            edges = state.bin_vals[rows, rng.integers(0, state.bin_vals.shape[1], n)]
            near = edges * (1 + rng.choice([0.0, 0.0, 1e-3, -1e-3, 0.3], n))
            known = rng.random(n) < 0.8 / len(states)
            key = np.where(known, state.feature_ids[rows], key)
            value = np.where(known, near, value)
        field = rng.choice(np.array(fields, np.int64), n) if len(fields) else np.zeros(n, np.int64)
        yield {
            "key": key, "value": value.astype(np.float64), "field": field, "row_splits": splits
        }  # fmt: skip


def sample_tensors(
    shapes: Mapping[str, tuple[Sequence[int | None], str]],
    ranges: Mapping[str, tuple[int, int]] | None = None,
    seed: int = 0,
) -> Iterator[dict[str, Array]]:
    """Normal numbers for every input, whole numbers where the model looks something up.

    Args:
        shapes: input name → (shape, dtype); None stands for the batch, or for a size of 3.
        ranges: input name → (least, largest) index, see `deepbird_v2.serving.indices`.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    for size in SIZES:
        inputs: dict[str, Array] = {}
        for name, (shape, dtype) in shapes.items():
            sizes = [d or (3 if axis else size) for axis, d in enumerate(shape)]
            if ranges is not None and name in ranges:
                least, largest = ranges[name]
                drawn: Array = rng.integers(least, largest, sizes, endpoint=True)
            else:
                drawn = rng.normal(size=sizes)
            inputs[name] = np.asarray(drawn).astype(dtype)
        yield inputs
