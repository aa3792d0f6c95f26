"""Backward of the oracle against differences of its forward."""

import numpy as np
import pytest

from module_cases import CASES
from verify.oracle import Oracle

STEP = 1e-6


def arrays(value):
    return [a for entry in value for a in arrays(entry)] if isinstance(value, list) else [value]


def loss(oracle, inputs, weights):
    return sum(
        float((w * y).sum()) for w, y in zip(weights, arrays(oracle.forward(inputs)), strict=True)
    )


def differences(oracle, inputs, weights, array):
    """d loss / d array, by central differences, changing the array where it is."""
    grad = np.zeros(array.shape)
    for place in np.ndindex(*array.shape):
        before = array[place]
        array[place] = before + STEP
        up = loss(oracle, inputs, weights)
        array[place] = before - STEP
        grad[place] = (up - loss(oracle, inputs, weights)) / (2 * STEP)
        array[place] = before
    return grad


def copied(value):
    return [copied(entry) for entry in value] if isinstance(value, list) else value.copy()


@pytest.mark.parametrize("name", CASES)
def test_backward_is_the_derivative_of_forward(name):
    module, inputs = CASES[name]
    oracle, inputs = Oracle(module), copied(inputs)
    outputs = oracle.forward(inputs)
    rng = np.random.default_rng(3)
    weights = [rng.standard_normal(y.shape) for y in arrays(outputs)]
    left = iter(weights)

    def nest(value):
        return [nest(entry) for entry in value] if isinstance(value, list) else next(left)

    oracle.zero_grad()
    grad_inputs = oracle.backward(inputs, nest(outputs))
    grads = [np.array(grad) for _, grad in oracle.op.parameters()]
    for array, grad in zip(arrays(inputs), arrays(grad_inputs), strict=True):
        assert grad.shape == array.shape
        if array.dtype.kind == "f":
            expected = differences(oracle, inputs, weights, array)
            np.testing.assert_allclose(grad, expected, rtol=2e-5, atol=1e-6)
    for (array, _), grad in zip(oracle.op.parameters(), grads, strict=True):
        expected = differences(oracle, inputs, weights, array)
        np.testing.assert_allclose(grad, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_float_inputs_stay_float(name):
    module, inputs = CASES[name]

    def single(value):
        if isinstance(value, list):
            return [single(entry) for entry in value]
        return value.astype(np.float32) if value.dtype.kind == "f" else value

    oracle = Oracle(module, dtype=np.float32)
    outputs = oracle.forward(single(inputs))
    assert {y.dtype for y in arrays(outputs)} == {np.dtype(np.float32)}
    grads = oracle.backward(single(inputs), outputs)
    assert all(
        g.dtype == a.dtype for g, a in zip(arrays(grads), arrays(single(inputs)), strict=True)
    )
