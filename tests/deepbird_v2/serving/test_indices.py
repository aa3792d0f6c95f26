"""Which inputs are indices: followed from tables through casts and constants to the inputs."""

import keras
import pytest

from deepbird_v2.layers.lookup_table import LookupTable
from deepbird_v2.serving.indices import index_ranges


def looked_up(between, dtype="int64", rows=9):
    x = keras.Input([4], dtype=dtype, name="x")
    return keras.Model(x, LookupTable(rows, (3,))(between(x)))


CASES = {
    "from 0": (lambda x: x, (0, 8)),
    "from 1": (lambda x: keras.ops.subtract(x, 1), (1, 9)),
    "from -2": (lambda x: x + 2, (-2, 6)),
    "cast, then from 1": (lambda x: keras.ops.cast(x, "int64") - 1, (1, 9)),
}


@pytest.mark.parametrize(("between", "expected"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("dtype", ["int64", "int32", "float32"])
def test_the_range_of_a_table(between, expected, dtype):
    assert index_ranges(looked_up(between, dtype)) == {"x": expected}


@pytest.mark.parametrize("between", [lambda x: x * 2, lambda x: 8 - x, lambda x: x + x])
def test_what_computes_an_index_is_not_followed(between):
    assert index_ranges(looked_up(between)) == {}


def test_an_input_of_two_tables_has_the_indices_of_both():
    x = keras.Input([4], dtype="int64", name="x")
    large, small = LookupTable(9, (3,))(x - 1), keras.layers.Embedding(5, 3)(x)
    assert index_ranges(keras.Model(x, [large, small])) == {"x": (1, 4)}


def test_a_model_without_tables_has_none():
    x = keras.Input([4], name="x")
    assert index_ranges(keras.Model(x, keras.layers.Dense(2)(x))) == {}
