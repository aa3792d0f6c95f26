"""Sparse linear modules of the oracle, held to dense algebra and finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate.graph import build
from torch_objects import linear, module
from verify import oracle
from verify.oracle import Oracle, OracleError

WIDTH, UNITS = 7, 3
RNG = np.random.default_rng(2)
ROWS = st.lists(
    st.lists(st.tuples(st.integers(1, WIDTH), st.floats(-3, 3, allow_subnormal=False)), max_size=6),
    min_size=1,
    max_size=5,
)


def sparse_linear(**fields):
    return build(linear(RNG, WIDTH, UNITS, "nn.SparseLinear", **fields))


def index_linear(lead=0, **fields):
    weight = RNG.standard_normal((WIDTH, lead + UNITS))
    weight[:, :lead] = 0
    bias = RNG.standard_normal(UNITS)
    fields = {"offset": -1, "doGradInput": False} | fields
    return build(module("nn.IndexLinear", weight=weight, bias=bias, **fields))


def tables(rows):
    return [np.array(row, np.float64).reshape(-1, 2) for row in rows]


def dense(rows):
    out = np.zeros((len(rows), WIDTH))
    for i, row in enumerate(rows):
        for key, value in row:
            out[i, key - 1] += value
    return out


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_sparse_linear_is_dense_algebra(rows):
    node, x = sparse_linear(doGradInput=True), dense(rows)
    gy = RNG.standard_normal((len(rows), UNITS))
    weight, bias = node.array("weight"), node.array("bias")
    np.testing.assert_allclose(oracle.forward(node, tables(rows)), x @ weight.T + bias)
    of_input, (of_weight, of_bias) = oracle.backward(node, tables(rows), gy)
    np.testing.assert_allclose(of_weight, gy.T @ x, atol=1e-12)
    np.testing.assert_allclose(of_bias, gy.sum(0), atol=1e-12)
    for pairs, g in zip(of_input, gy, strict=True):
        np.testing.assert_array_equal(pairs[:, 0], np.arange(1, WIDTH + 1))
        np.testing.assert_allclose(pairs[:, 1], g @ weight, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_index_linear_in_its_three_forms_is_the_same(rows):
    node = index_linear()
    keys = [np.array([k for k, _ in row], np.int64) for row in rows]
    values = [np.array([v for _, v in row], np.float64) for row in rows]
    flat = [np.concatenate(keys), np.concatenate(values), np.array([len(k) for k in keys])]
    expected = dense(rows) @ node.array("weight") + node.array("bias")
    np.testing.assert_allclose(oracle.forward(node, [keys, values]), expected, atol=1e-12)
    np.testing.assert_allclose(oracle.forward(node, flat), expected, atol=1e-12)
    np.testing.assert_allclose(oracle.forward(node, [keys[0], values[0]]), expected[0], atol=1e-12)
    gy = RNG.standard_normal(expected.shape)
    for form in ([keys, values], flat):
        grads = oracle.backward(node, form, gy)[1]
        np.testing.assert_allclose(grads[0], dense(rows).T @ gy, atol=1e-12)


def test_keys_offset_shifts_keys_and_not_the_keys_of_gradients():
    node = index_linear(offset=0, doGradInput=True)
    x = [np.array([0, WIDTH - 1]), np.array([1.0, 2.0])]
    weight = node.array("weight")
    expected = weight[0] + 2 * weight[-1] + node.array("bias")
    np.testing.assert_allclose(oracle.forward(node, x), expected)
    keys, values = oracle.backward(node, x, np.ones(UNITS))[0]
    np.testing.assert_array_equal(keys, np.arange(1, WIDTH + 1))
    np.testing.assert_allclose(values, weight.sum(1))


def loop_of_thnn(weight, bias, lead, x, training):
    """The module entry by entry; changes ``weight``."""
    out = []
    for keys, values in zip(*x, strict=True):
        row = bias.copy()
        for key, value in zip(keys - 1, values, strict=True):
            cell = weight[key]
            if training:
                if abs(value) > cell[0]:
                    cell[0], cell[1] = abs(value), 1 / abs(value)
                cell[2] = 1
            scaled = np.sign(value) if abs(value) > cell[0] else value * cell[1]
            row += (scaled + cell[3]) * cell[lead:]
        out.append(row)
    return np.array(out)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.booleans())
def test_normalization_goes_entry_by_entry(rows, training):
    node = index_linear(lead=4, normalize=4)
    x = [[np.array([k for k, _ in r], np.int64) for r in rows]]
    x.append([np.array([v for _, v in r], np.float64) for r in rows])
    weight, bias = node.array("weight").copy(), node.array("bias").copy()
    model = Oracle(node, training=training)
    for _ in range(2):  # the second forward starts from what the first one raised
        expected = loop_of_thnn(weight, bias, 4, x, training)
        np.testing.assert_allclose(model.forward(x), expected, atol=1e-12)
        np.testing.assert_allclose(model.op.params["weight"], weight, atol=0)
        x[1] = [v * 1.5 for v in x[1]]


def test_weight_decay_is_part_of_the_gradient():
    rows = tables([[(2, 1.0)]])
    plain, decayed = sparse_linear(), sparse_linear(weightDecay=0.5)
    gy = np.ones((1, UNITS))
    bare = oracle.backward(plain, rows, gy)[1][0]
    more = oracle.backward(decayed, rows, gy)[1][0]
    np.testing.assert_allclose(more - bare, 0.5 * decayed.array("weight"))


@pytest.mark.parametrize(
    ("node", "x", "message"),
    [
        (sparse_linear(), tables([[(0, 1.0)]]), "key 0 is not between 1 and 7"),
        (sparse_linear(), tables([[(8, 1.0)]]), "key 8 is not between 1 and 7"),
        (sparse_linear(), [np.ones((2, 3))], "takes N×2 tensors"),
        (index_linear(), [np.array([8]), np.array([1.0])], "key 8 has no row in the weight"),
        (index_linear(), [np.array([1, 2]), np.array([1.0])], "2 keys, 1 values"),
        (index_linear(), [np.array([1]), np.array([1.0]), np.array([2])], "sizes 2"),
        (index_linear(), np.ones((2, 2)), "takes a table"),
    ],
)
def test_what_torch_refuses_or_reads_beyond_is_an_error(node, x, message):
    with pytest.raises(OracleError, match=message):
        oracle.forward(node, x)


def test_entries_of_value_zero_may_have_any_key():
    node = sparse_linear()
    padded = np.array([[[3.0, 2.0], [0.0, 0.0]], [[99.0, 0.0], [1.0, 1.0]]])
    expected = dense([[(3, 2.0)], [(1, 1.0)]]) @ node.array("weight").T + node.array("bias")
    np.testing.assert_allclose(oracle.forward(node, padded), expected)
