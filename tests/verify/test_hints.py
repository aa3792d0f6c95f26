"""Hints: each difference between a layer of v1 and v2 is called what it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.graph import Module, with_tensor
from verify.hints import KINDS, Evidence, explain, explain_step
from verify.oracle import Oracle

RANDOM = np.random.default_rng(5)
WEIGHT = RANDOM.normal(size=(6, 6)).astype(np.float32)
BIAS = RANDOM.normal(size=6).astype(np.float32)
GIVEN = RANDOM.normal(size=(5, 6)).astype(np.float32)


def module(name, **fields):
    return Module("1", name, name, fields={"_type": "torch.FloatTensor", "train": True, **fields})


def linear(weight=WEIGHT, bias=BIAS):
    return with_tensor(with_tensor(module("nn.Linear"), "weight", weight), "bias", bias)


def evidence(ours, theirs, given=GIVEN, training=False):
    """What is known when v2's layer is ``theirs``."""
    answer = Oracle(ours).forward(given)
    got = Oracle(theirs, training=training).forward(given)
    tensors = {name: theirs.array(name) for name in theirs.tensors}
    return Evidence(ours, given, answer, got, tensors, 1e-5)


def row(weight):
    changed = weight.copy()
    changed[2] += 1
    return changed


@pytest.mark.parametrize(
    ("weight", "bias", "kind", "text"),
    [
        (WEIGHT.T, BIAS, "transposed", "weight: is transposed"),
        (WEIGHT, 0 * BIAS, "dropped", "bias: all zero"),
        (np.roll(WEIGHT, 1, 0), BIAS, "shift", "shifted by +1 along axis 0"),
        (np.roll(WEIGHT, -1, 1), BIAS, "shift", "shifted by -1 along axis 1"),
        (WEIGHT[::-1], BIAS, "order", "reversed along axis 0"),
        (WEIGHT[:, [3, 1, 0, 2, 5, 4]], BIAS, "order", "another order along axis 1"),
        (WEIGHT.reshape(6, 2, 3).transpose(0, 2, 1).reshape(6, 6), BIAS, "layout", "2 channels"),
        (WEIGHT * 3, BIAS, "scale", "times 3"),
        (row(WEIGHT), BIAS, "changed", "row 2 (from 0)"),
        (row(WEIGHT.T).T, BIAS, "changed", "column 2 (from 0)"),
        (WEIGHT + 1, BIAS, "changed", "36 of 36 values are not v1's, first at [0, 0]"),
        (WEIGHT, np.full_like(BIAS, 0.5), "shared", "one value (0.5)"),
        (WEIGHT[:5], BIAS[:5], "shape", "shape (5, 6) cannot hold v1's (6, 6)"),
    ],
)
def test_tensors(weight, bias, kind, text):
    hint = explain(evidence(linear(), linear(weight, bias)))
    assert hint.kind == kind
    assert text in hint.text


def test_a_tensor_that_v2_does_not_have():
    known = evidence(linear(), linear(bias=0 * BIAS))
    without = {name: values for name, values in known.tensors.items() if name != "bias"}
    hint = explain(Evidence(known.module, GIVEN, known.answer, known.got, without, 1e-5))
    assert (hint.kind, "v2 has no such tensor" in hint.text) == ("dropped", True)


@pytest.mark.parametrize("name", ["transposed", "dropped"])
def test_tensors_in_a_layout_of_their_own(name):
    """Where v2 keeps weights transposed, tensors alone cannot tell; v1's layer can."""
    theirs = linear(WEIGHT.T.copy()) if name == "transposed" else linear(bias=0 * BIAS)
    known = evidence(linear(), theirs)
    tensors = {"weight": WEIGHT.T} if name == "transposed" else known.tensors
    tensors = {"bias": BIAS, **tensors}
    hint = explain(Evidence(known.module, GIVEN, known.answer, known.got, tensors, 1e-5, False))
    assert hint.kind == name


@pytest.mark.parametrize("weight", [WEIGHT, WEIGHT[:4]], ids=["square", "oblong"])
def test_what_changed_is_told_in_the_layout_of_v1(weight):
    bias = BIAS[: len(weight)]
    theirs = linear(row(weight), bias)
    known = evidence(linear(weight, bias), theirs)
    tensors = {"bias": bias, "weight": row(weight).T}
    hint = explain(Evidence(known.module, GIVEN, known.answer, known.got, tensors, 1e-5, False))
    assert hint.text == "weight: row 2 (from 0) is not v1's, the others are"


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "kind", "text"),
    [
        ("nn.LeakyReLU", {"negval": 0.1}, {"negval": 0.2}, "slope", "negval = 0.2"),
        ("nn.LeakyReLU", {"negval": 0.1}, {"negval": 0.1234}, "slope", "negval = 0.1234"),
        ("nn.ELU", {"alpha": 1.0}, {"alpha": 0.5}, "slope", "alpha = 0.5"),
        (
            "nn.HardTanh",
            {"min_val": -1.0, "max_val": 1.0},
            {"min_val": -1.0, "max_val": 0.4},
            "bounds",
            "max_val = 0.4",
        ),
        (
            "nn.MulConstant",
            {"constant_scalar": 2.0},
            {"constant_scalar": 1.0},
            "identity",
            "nothing",
        ),
        ("nn.MulConstant", {"constant_scalar": 2.0}, {"constant_scalar": 0.7}, "scale", "0.7"),
        ("nn.AddConstant", {"constant_scalar": 2.0}, {"constant_scalar": 0.7}, "bias", "0.7"),
        ("nn.Sum", {"dimension": 2.0}, {"dimension": 1.0}, "axis", "dimension = 1"),
    ],
)
def test_options(name, ours, theirs, kind, text):
    hint = explain(evidence(module(name, **ours), module(name, **theirs)))
    assert hint.kind == kind
    assert text in hint.text


def test_dropout_left_on():
    dropout = module("nn.Dropout", p=0.4, v2=True)
    hint = explain(evidence(dropout, dropout, training=True))
    assert hint.kind == "mode"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda y: y * 2.5, "scale"),
        (lambda y: y + F32([1, 2, 3, 4, 5, 6]), "bias"),
        (lambda y: y[:, ::-1], "branches"),
        (lambda y: np.roll(y, 1, 1), "shift"),
        (lambda y: y**3, "computation"),
        (lambda y: y[:, :3], "option"),
    ],
)
def test_outputs(change, kind):
    tanh = module("nn.Tanh")
    answer = Oracle(tanh).forward(GIVEN)
    hint = explain(Evidence(tanh, GIVEN, answer, change(answer), {}, 1e-6))
    assert hint.kind == kind


F32 = np.float32


def test_a_layer_that_cannot_be_run():
    tanh = module("nn.Tanh")
    hint = explain(Evidence(tanh, GIVEN, Oracle(tanh).forward(GIVEN), None, {}, 1e-6))
    assert hint.kind == "computation"


def normalization(**fields):
    made = module("nn.BatchNormalization", eps=1e-5, affine=False, **fields)
    made = with_tensor(made, "running_mean", RANDOM.normal(size=6).astype(F32))
    return with_tensor(made, "running_var", RANDOM.uniform(0.5, 2, 6).astype(F32))


def stepped(of):
    oracle = Oracle(of, training=True)
    output = oracle.forward(GIVEN)
    statistics = {n: np.array(getattr(oracle.op, n)) for n in ("running_mean", "running_var")}
    return {"output": output, **statistics}


@pytest.mark.parametrize(("momentum", "text"), [(0.9, "1 - v1's"), (0.3, "by 0.3,")])
def test_momentum(momentum, text):
    ours = normalization(momentum=0.1)
    theirs = Module(
        "1",
        ours.class_name,
        ours.class_name,
        fields=ours.fields | {"momentum": momentum},
        tensors=ours.tensors,
    )
    hint = explain_step(ours, stepped(ours), stepped(theirs))
    assert hint.kind == "momentum"
    assert text in hint.text


def test_a_biased_variance_is_no_momentum():
    ours = normalization(momentum=0.1)
    step = stepped(ours)
    hint = explain_step(ours, step, step | {"running_var": step["running_var"] * F32(0.99)})
    assert hint.kind == "option"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 3.0))
def test_whatever_differs_gets_a_hint_of_a_known_kind(seed, size):
    noise = np.random.default_rng(seed).normal(size=WEIGHT.shape).astype(F32) * F32(size)
    hint = explain(evidence(linear(), linear(WEIGHT + noise)))
    assert hint.kind in KINDS
    assert hint.text
