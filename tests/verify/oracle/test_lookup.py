import numpy as np
import pytest

from migrate.graph import build
from torch_objects import module
from verify import oracle
from verify.oracle import Oracle, OracleError

RNG = np.random.default_rng(4)
WEIGHT = RNG.standard_normal((6, 3))
X = np.array([[1, 2, 2], [6, 2, 4]])


def table(**fields):
    return build(module("nn.LookupTable", weight=WEIGHT.copy(), **fields))


@pytest.mark.parametrize("shape", [(6,), (2, 3)])
@pytest.mark.parametrize("kind", [np.int64, np.float32, np.float64])
def test_rows_from_1_of_any_number_type(shape, kind):
    x = X.reshape(shape).astype(kind)
    np.testing.assert_array_equal(oracle.forward(table(), x), WEIGHT[X.reshape(shape) - 1])
    grad = oracle.backward(table(), x, np.ones((*shape, 3)))[0]
    assert grad.dtype == kind
    np.testing.assert_array_equal(grad, np.zeros(shape))


@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("by_frequency", [False, True])
def test_gradients_of_padding_and_frequency(padding, by_frequency):
    node = table(paddingValue=padding, shouldScaleGradByFreq=by_frequency)
    gy = RNG.standard_normal((2, 3, 3))
    expected = np.zeros_like(WEIGHT)
    for row, g in zip(X.ravel(), gy.reshape(6, 3), strict=True):
        if row != padding:
            expected[row - 1] += g / ((row == X).sum() if by_frequency else 1)
    np.testing.assert_allclose(oracle.backward(node, X, gy)[1][0], expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("p", [1, 2, 2.5])
def test_only_rows_that_are_too_long_and_asked_for_are_shortened(p, training):
    limit = float(np.median((np.abs(WEIGHT) ** p).sum(1) ** (1 / p)))
    model = Oracle(table(maxNorm=limit, normType=p), training=training)
    y = model.forward(X)
    norms = (np.abs(WEIGHT) ** p).sum(1) ** (1 / p)
    asked = np.isin(np.arange(1, 7), X)
    long = asked & (norms > limit)
    assert long.any()
    assert (asked & ~long).any()
    expected = WEIGHT.copy()
    expected[long] *= (limit / (norms[long] + 1e-7))[:, None]
    np.testing.assert_allclose(model.op.params["weight"], expected, rtol=1e-15)
    np.testing.assert_array_equal(y, model.op.params["weight"][X - 1])


def test_one_hot_of_a_number_and_of_tensors():
    node = build(module("nn.OneHot", outputSize=6))
    np.testing.assert_array_equal(oracle.forward(node, X), np.eye(6)[X - 1])
    np.testing.assert_array_equal(oracle.forward(node, 3.0), np.eye(6)[2])
    assert oracle.forward(node, X).dtype == np.float32
    assert oracle.backward(node, 3.0, np.ones(6))[0] == 0
    np.testing.assert_array_equal(oracle.backward(node, X, np.ones((2, 3, 6)))[0], np.zeros((2, 3)))


@pytest.mark.parametrize("node", [table(), build(module("nn.OneHot", outputSize=6))])
@pytest.mark.parametrize("row", [0, 7])
def test_a_row_that_is_not_there_is_an_error(node, row):
    with pytest.raises(OracleError, match=f"index {row} is not between 1 and 6"):
        oracle.forward(node, np.array([1, row]))
