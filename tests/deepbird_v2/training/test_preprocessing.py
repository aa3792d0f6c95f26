"""Models cut in two behind what does not train."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbird_v2.training.preprocessing import cut_off
from record_models import batch, record_model


@pytest.mark.parametrize("split", [False, True])
def test_both_parts_are_the_model(split: bool) -> None:
    model = record_model(split=split)
    cut = cut_off(model)
    assert cut is not None
    assert all(tensor.sparse for tensor in cut.rest.inputs)
    assert len(cut.rest.inputs) == 1 + split
    assert not cut.ahead.trainable_variables
    assert {id(v) for v in cut.rest.variables} < {id(v) for v in model.variables}
    given = {name: batch()[name] for name in model.input}
    expected, got = model(given), cut.rest(cut.ahead(given))
    assert list(got) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(got[name], value)


def test_an_input_that_is_used_behind_the_cut_passes_through() -> None:
    model = record_model(split=False)
    mask = keras.Input([1], name="mask")
    masked = keras.Model([model.input, [mask]], model.output["score"] * mask)
    cut = cut_off(masked)
    assert cut is not None
    assert [getattr(x, "sparse", False) for x in cut.rest.inputs] == [False, True]
    given = [{name: batch()[name] for name in model.input}, [tf.fill([6, 1], 0.5)]]
    np.testing.assert_array_equal(cut.rest(cut.ahead(given)), masked(given))


def test_nothing_to_cut_off() -> None:
    x = keras.Input([3])
    assert cut_off(keras.Model(x, keras.layers.Dense(1)(x))) is None
    assert cut_off(keras.Sequential([keras.layers.Dense(1)])) is None
