import numpy as np
import pytest

from migrate.inputs import Sparse
from migrate.sparse_feed import FeedError, dense_gradient, sparse_tensor

KEYS = [np.array([3, 1, 3]), np.array([4, 2, 2])]
VALUES = [np.array([0.5, 2.0, 1.0], np.float32), np.array([-1.0, 4.0, 8.0], np.float32)]
PAIRS = [np.stack([k.astype(np.float32), v], axis=1) for k, v in zip(KEYS, VALUES, strict=True)]
FORMS = {
    "pairs": PAIRS,
    "block": np.stack(PAIRS),
    "tables": [KEYS, VALUES],
    "flat": [np.concatenate(KEYS), np.concatenate(VALUES), np.array([3, 3])],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("first_key", [0, 1])
def test_every_form_gives_the_same_rows(form, first_key):
    got = sparse_tensor(Sparse(6, form=form, first_key=first_key), FORMS[form])
    keys = np.concatenate(KEYS) - first_key
    np.testing.assert_array_equal(got.indices, np.stack([[0, 0, 0, 1, 1, 1], keys], axis=1))
    np.testing.assert_array_equal(got.values, np.concatenate(VALUES))
    assert tuple(got.shape) == (2, 6)


@pytest.mark.parametrize(("form", "value"), [("pair", PAIRS[0]), ("keys", [KEYS[0], VALUES[0]])])
def test_a_row_without_a_batch_is_one_row(form, value):
    plan = Sparse(6, form=form)
    got = sparse_tensor(plan, value)
    assert plan.single
    assert tuple(got.shape) == (1, 6)
    np.testing.assert_array_equal(got.indices, [[0, 2], [0, 0], [0, 2]])


def test_rows_may_be_empty():
    empty = np.empty((0,), np.float32)  # as Torch saves a tensor without elements
    got = sparse_tensor(Sparse(6), [empty, PAIRS[0], empty])
    np.testing.assert_array_equal(got.indices[:, 0], [1, 1, 1])
    assert tuple(got.shape) == (3, 6)
    assert tuple(sparse_tensor(Sparse(6), []).shape) == (0, 6)


def test_entries_of_value_zero_are_left_out_whatever_their_key():
    padded = np.concatenate([FORMS["block"], np.zeros((2, 2, 2), np.float32)], axis=1)
    got = sparse_tensor(Sparse(6, form="block"), padded)
    np.testing.assert_array_equal(got.values, np.concatenate(VALUES))


def test_a_probe_adds_every_key_of_every_row():
    plan = Sparse(6, dense_grad=True)
    got = sparse_tensor(plan, PAIRS, probe=True)
    assert got.values.shape[0] == 6 + 2 * 6
    np.testing.assert_array_equal(got.values[6:], 0)
    np.testing.assert_array_equal(got.indices[6:, 1], [*range(6), *range(6)])
    gradient = np.arange(18, dtype=np.float32)
    rows = np.arange(6, 18).reshape(2, 6)
    for form in FORMS:
        plan = Sparse(6, form=form, dense_grad=True)
        found = dense_gradient(plan, 2, gradient)
        values = {"pairs": lambda g: [r[:, 1] for r in g], "block": lambda g: g[:, :, 1]}
        got = values.get(form, lambda g: g[1])(found)
        np.testing.assert_array_equal(np.stack(list(got)), rows)


@pytest.mark.parametrize(
    ("form", "value", "message"),
    [
        ("pairs", [np.array([[1.0, 2.0], [7.0, 1.0]])], r"row 1: key 7 is outside 1\.\.6"),
        ("pairs", [PAIRS[0], np.array([[0.0, 1.0]])], r"row 2: key 0 is outside 1\.\.6"),
        ("pairs", PAIRS[0], r"a table of N×2 tensors .* got an array of shape \(3, 2\)"),
        ("pairs", [np.ones((2, 3))], r"row 1: expected N×2 \(key, value\), got .*\(2, 3\)"),
        ("block", np.ones((2, 3)), r"expected a B×N×2 tensor"),
        ("flat", [KEYS[0], VALUES[0]], "expected a table of 3 entries, got a table of 2"),
        ("flat", [KEYS[0], VALUES[0], np.array([2])], "3 keys, 3 values and sizes that sum to 2"),
        ("keys", [KEYS[0], VALUES[0][:2]], "3 keys, 2 values"),
        ("tables", [KEYS[0], VALUES[0]], "tables of keys"),
    ],
)
def test_another_form_is_one_error(form, value, message):
    with pytest.raises(FeedError, match=message):
        sparse_tensor(Sparse(6, form=form), value)
