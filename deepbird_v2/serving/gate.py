"""The gate of a fast backend: it answers as the model does, or it is not used."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from deepbird_v2.discretizers.percentile import PercentileDiscretizer

__all__ = ["Agreement", "Limit", "agree", "sample_records", "sample_tensors"]

Array = np.ndarray[Any, Any]
SIZES = (1, 2, 33, 128)
# A fast backend may differ by so many times what a row's answer changes by when the row is asked
# alone; of which at most this share of the largest answer counts, lest a model that mixes the rows
# of a batch excuse everything.
NOISE, MOST_NOISE = 2.0, 1e-5


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

    TensorFlow itself gives a row other last digits in a batch than alone, for it adds up in another
    order. A fast backend may be off by twice that, beyond its tolerance.

    Args:
        model: the reference.
        fast: the backend on trial.
        samples: inputs.
        limits: output name → tolerance.
    """
    asked = []
    for inputs in samples:
        try:
            expected = model.run(inputs)
        except Exception as error:  # noqa: BLE001 - a custom layer may raise anything
            return Agreement({}, f"the model takes no sample inputs ({_brief(error)})")
        try:
            got = fast.run(inputs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the backend is not used
            return Agreement({}, f"it fails on sample inputs ({_brief(error)})")
        problem = _unlike(expected, got)
        if problem is not None:
            return Agreement({}, problem)
        asked.append(_Answers(inputs, expected, got))
    worst = {name: max(answers.off(name) for answers in asked) for name in limits}
    problem = _beyond(asked, limits, dict.fromkeys(limits, 0.0))
    if problem is not None:
        problem = _beyond(asked, limits, _noise(model, asked, list(limits)))
    return Agreement(worst, problem)


@dataclass(frozen=True)
class _Answers:
    """What the model and the fast backend, in this order, made of a batch."""

    inputs: Mapping[str, Array]
    expected: Mapping[str, Array]
    got: Mapping[str, Array]

    def difference(self, name: str) -> tuple[Array, Array]:
        """The model's finite answers of one output, and |fast - model| beside them."""
        reference = self.expected[name]
        finite = np.isfinite(reference)
        with np.errstate(invalid="ignore"):
            off = np.abs(self.got[name][finite].astype(np.float64) - reference[finite])
        return reference[finite], off

    def off(self, name: str) -> float:
        """The largest difference of one output."""
        return float(np.max(self.difference(name)[1], initial=0.0))


def _brief(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _unlike(expected: Mapping[str, Array], got: Mapping[str, Array]) -> str | None:
    """What no tolerance excuses: other names, shapes, dtypes, other places that are not finite."""
    if list(expected) != list(got):
        return f"outputs {list(got)} instead of {list(expected)}"
    for name, reference in expected.items():
        if (got[name].shape, got[name].dtype) != (reference.shape, reference.dtype):
            return (
                f"{name} is {got[name].dtype}{list(got[name].shape)} instead of "
                f"{reference.dtype}{list(reference.shape)}"
            )
        odd = ~np.isfinite(reference)
        if not np.array_equal(reference[odd], got[name][odd], equal_nan=True):
            return f"{name} differs where the model gives NaN or infinities"
    return None


def _beyond(
    asked: Sequence[_Answers], limits: Mapping[str, Limit], noise: Mapping[str, float]
) -> str | None:
    """The first difference beyond tolerance and noise."""
    for answers, (name, limit) in itertools.product(asked, limits.items()):
        reference, off = answers.difference(name)
        atol = limit.atol + NOISE * noise[name]
        bad = ~(off <= atol + limit.rtol * np.abs(reference))
        if bad.any():
            return (
                f"{name} differs by {off[bad].max():.3g}, "
                f"{atol:.3g} + {limit.rtol:g}·|v| is allowed"
            )
    return None


def _noise(model: _Runs, asked: Sequence[_Answers], names: Sequence[str]) -> dict[str, float]:
    """Output name → what the model's answer to a row changes by, at most, if it is asked alone."""
    noise, largest = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for answers in asked:
        for index, row in enumerate(_rows(answers.inputs)):
            try:
                alone = model.run(row)
            except Exception:  # noqa: BLE001 - it takes one size of batches: nothing is known
                return dict.fromkeys(names, 0.0)
            for name in names:
                together = answers.expected[name][index : index + 1]
                if alone[name].shape != together.shape:
                    return dict.fromkeys(names, 0.0)
                change = _Answers(row, {name: together}, alone).off(name)
                noise[name] = max(noise[name], change)
                size = np.abs(together, dtype=np.float64)
                largest[name] = np.max(size, where=np.isfinite(size), initial=largest[name])
    return {name: min(noise[name], MOST_NOISE * float(largest[name])) for name in names}


def _rows(inputs: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
    """The same rows, each in a batch of its own."""
    splits = inputs.get("row_splits")
    if splits is None:
        dense = [array for array in inputs.values() if array.ndim]
        for row in range(min(map(len, dense), default=0)):
            yield {n: a[row : row + 1] if a.ndim else a for n, a in inputs.items()}
        return
    for start, end in itertools.pairwise(splits.tolist()):
        columns = {n: a[start:end] for n, a in inputs.items() if n != "row_splits"}
        yield {**columns, "row_splits": np.array([0, end - start], splits.dtype)}


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
