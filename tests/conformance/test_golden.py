"""Every golden case: every check, other batch sizes, and the model through files and back."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbird_v2.export import load_keras, saved_model
from migrate.feed import feed, to_numpy
from migrate.inputs import Dense, Sparse
from verify import golden, oracle
from verify.golden import CHECKS, Case, Check
from verify.policy import Policy

GOLDEN = Path(__file__).parents[2] / "golden"
POLICY = Policy.load(None)


def through_keras_file(case: Case) -> golden.Pairs:
    """A model that was saved and loaded gives what it gave before."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        case.converted.model.save(path)
        model = load_keras(path)
    fed = feed(case.converted.plan, case.inputs)
    yield "output", case.converted(case.inputs), to_numpy(model(fed, training=False))


def through_saved_model(case: Case) -> golden.Pairs:
    """A SavedModel's signature gives what the model gives."""
    model = case.converted.model
    fed = keras.tree.flatten(feed(case.converted.plan, case.inputs))
    tensors = {}
    for i, tensor in zip(keras.tree.flatten(model.input), fed, strict=True):
        if isinstance(tensor, tf.SparseTensor):
            parts = {
                "indices": tensor.indices,
                "values": tensor.values,
                "shape": tensor.dense_shape,
            }
            tensors |= {f"{i.name}_{part}": value for part, value in parts.items()}
        else:
            tensors[i.name] = tensor
    with tempfile.TemporaryDirectory() as folder:
        saved_model(model, Path(folder))
        answer = tf.saved_model.load(folder).signatures["predict"](**tensors)
    outputs = keras.tree.flatten(case.converted(case.inputs))
    for n, output in enumerate(outputs, 1):
        yield f"output {n}", output, to_numpy(answer[f"output_{n}"])


def at_batch(size: int, case: Case) -> golden.Pairs:
    """Another batch size gives what the oracle gives."""
    if case.converted.report.static_batch:
        pytest.skip("a module computes with the batch size; the model takes one size only")
    inputs = resized(case.converted.plan, case.inputs, size)
    try:
        expected = oracle.forward(case.module, inputs)
    except (oracle.OracleError, ValueError, IndexError):
        pytest.skip("the leading dimension is not a batch")
    answers = keras.tree.flatten(case.converted(inputs))
    for n, (reference, got) in enumerate(zip(flat(expected), answers, strict=True), 1):
        # nn.View and nn.Reshape drop a batch of one, which a Keras model cannot.
        dropped = size == 1 and np.ndim(reference) + 1 == got.ndim
        # A loss is a Python number in the oracle.
        typed = np.asarray(reference, got.dtype) if isinstance(reference, float) else reference
        yield f"output {n}", typed, got[0] if dropped else got


def flat(value: Any) -> list[Any]:
    """The tensors of a tensor, or of nested tables."""
    return [leaf for v in value for leaf in flat(v)] if isinstance(value, list) else [value]


def resized(plan: Any, value: Any, size: int) -> Any:
    """An input with ``size`` rows in place of those it has: its own, over and over."""
    if isinstance(plan, list):
        return [resized(p, v, size) for p, v in zip(plan, value, strict=False)]
    if isinstance(plan, Dense):
        if not plan.shape or plan.shape[0] is not None:
            pytest.skip("an input has no batch dimension")
        return np.take(value, np.arange(size) % len(value), axis=0)
    assert isinstance(plan, Sparse)
    rows = np.arange(size)
    if plan.form == "block":
        return np.take(value, rows % len(value), axis=0)
    if plan.form == "pairs":
        return [value[i % len(value)] for i in rows]
    if plan.form == "tables":
        return [[entries[i % len(entries)] for i in rows] for entries in value]
    if plan.form == "flat":
        keys, values, sizes = value
        ends = np.cumsum(sizes)
        chosen = [np.arange(ends[i] - sizes[i], ends[i]) for i in rows % len(sizes)]
        flat = np.concatenate(chosen)
        return [keys[flat], values[flat], np.array([len(c) for c in chosen])]
    return pytest.skip("Torch's form has no batch")


def repeatable(case: Case) -> bool:
    return not case.always_random


CHECKS_MORE = (
    Check("keras_file", through_keras_file, repeatable),
    Check("saved_model", through_saved_model, repeatable),
    Check("batch_of_1", functools.partial(at_batch, 1), repeatable),
    Check("batch_of_7", functools.partial(at_batch, 7), repeatable),
)


def parameters() -> list[Any]:
    """(folder, check) pairs; those of a case follow each other, so that one model serves all."""
    return [
        pytest.param(case.folder, check, id=f"{case.name}-{check.name}")
        for case in golden.discover(GOLDEN)
        for check in (*CHECKS, *CHECKS_MORE)
        if check.applies(case)
    ]


@functools.lru_cache(maxsize=1)
def loaded(folder: Path) -> Case:
    """The case at hand, with its converted model; the one before is let go."""
    keras.backend.clear_session()
    return Case(folder)


@pytest.mark.parametrize(("folder", "check"), parameters())
def test_same_as_torch(folder: Path, check: Check) -> None:
    result = golden.run_check(loaded(folder), check, POLICY)
    assert result.status == "pass", result.detail
