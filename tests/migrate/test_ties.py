"""Modules that share parameters: one layer where it can be, the same gradients in any case."""

import numpy as np
import pytest

import migrate
from migrate.t7.objects import Table, TorchObject
from torch_objects import linear, module, tensor
from verify import oracle

RNG = np.random.default_rng(11)
SHARED = ("weight", "bias", "gradWeight", "gradBias")


def with_gradients(obj):
    for name in ("weight", "bias"):
        zeros = np.zeros(obj.fields[name].size)
        obj.fields[f"grad{name.capitalize()}"] = tensor(zeros)
    return obj


def clone(obj, *shared, **own):
    """``obj:clone(...)``: the named tensors are the same, all else is new."""
    fields = {
        name: value
        if name in shared or not hasattr(value, "numpy")
        else tensor(value.numpy().copy())
        for name, value in obj.fields.items()
    }
    return TorchObject(obj.class_name, 1, Table(fields | own))


def normalization(size):
    made = module(
        "nn.BatchNormalization",
        weight=RNG.standard_normal(size),
        bias=RNG.standard_normal(size),
        running_mean=RNG.standard_normal(size),
        running_var=RNG.uniform(0.5, 2, size),
        eps=1e-5,
        momentum=0.1,
        affine=True,
    )
    return with_gradients(made)


def towers(first, second):
    return module("nn.ParallelTable", first, second)


LINEAR = with_gradients(linear(RNG, 4, 3))
NORM = normalization(4)
CASES = {
    "all": (LINEAR, clone(LINEAR, *SHARED), 2, 0),
    "all, with buffers of their own": (
        LINEAR,
        clone(LINEAR, *SHARED, addBuffer=tensor(np.ones(5))),
        2,
        0,
    ),
    "the weight only": (LINEAR, clone(LINEAR, "weight", "gradWeight"), 4, 1),
    "all but running statistics": (NORM, clone(NORM, *SHARED), 4, 2),
    "nothing": (LINEAR, clone(LINEAR), 4, 0),
}


@pytest.mark.parametrize(("first", "second", "variables", "untied"), CASES.values(), ids=CASES)
def test_shared_parameters_have_torchs_gradients(first, second, variables, untied):
    root = towers(first, second)
    x = [RNG.standard_normal((5, 4)), RNG.standard_normal((5, 4))]
    converted = migrate.convert(root, x)
    assert len(converted.model.trainable_variables) == variables
    assert len(converted.report.untied) == untied
    upstream = [RNG.standard_normal(np.shape(y)) for y in converted(x)]
    of_inputs, of_parameters = converted.gradients(x, upstream)
    expected_inputs, expected_parameters = oracle.backward(root, x, upstream)
    for got, expected in zip(
        [*of_inputs, *of_parameters], [*expected_inputs, *expected_parameters], strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


def test_the_report_names_what_is_held_twice():
    converted = migrate.convert(towers(NORM, clone(NORM, *SHARED)), [np.ones((2, 4))] * 2)
    weights, biases = converted.report.untied
    assert weights == ("1.BatchNormalization.weight", "2.BatchNormalization.weight")
    assert biases == ("1.BatchNormalization.bias", "2.BatchNormalization.bias")
