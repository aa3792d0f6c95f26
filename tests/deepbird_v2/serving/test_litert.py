"""LiteRT: the model's answers under their names at any size, or a reason why not."""

import concurrent.futures

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbird_v2.layers.lookup_table import LookupTable, OneHotRows
from deepbird_v2.serving.backends import TensorFlowBackend
from deepbird_v2.serving.litert import CannotConvertError, LiteRTBackend
from deepbird_v2.serving.predictor import BackendError, Predictor


def convolutions(last=keras.ops.softmax):
    x = inputs = keras.Input([12, 12, 2], name="image")
    x = keras.layers.Conv2D(4, 3, activation="relu", bias_initializer="normal")(x)
    x = keras.layers.MaxPooling2D()(x)
    return keras.Model(inputs, last(keras.layers.Dense(3)(keras.layers.Flatten()(x))))


def words():
    numbers = keras.Input([None], dtype="int64", name="words")
    rows = LookupTable(9, (4,))(keras.ops.subtract(numbers, 1))
    return keras.Model(numbers, keras.layers.Dense(2)(keras.ops.mean(rows, axis=1)))


def two_of_each():
    left, right = keras.Input([3], name="right"), keras.Input([5], name="left")
    a, b = keras.layers.Dense(2)(left), keras.layers.Dense(2)(right)
    return keras.Model([left, right], {"z": a + b, "a": a * b, "m": keras.ops.tanh(b)})


def images(rng, size):
    return {"image": rng.normal(size=(size, 12, 12, 2)).astype(np.float32)}


def indices(rng, size):
    return {"words": rng.integers(1, 10, (size, size + 2))}


def pairs(rng, size):
    widths = {"right": 3, "left": 5}
    return {n: rng.normal(size=(size, w)).astype(np.float32) for n, w in widths.items()}


MODELS = {"convolutions": (convolutions, images), "indices": (words, indices),
          "names": (two_of_each, pairs)}  # fmt: skip


@pytest.mark.parametrize(("make", "inputs"), MODELS.values(), ids=MODELS)
def test_names_order_types_and_values_are_tensorflows_at_every_size(rng, make, inputs):
    model = make()
    slow, fast = TensorFlowBackend(model), LiteRTBackend(model)
    for size in (3, 1, 1, 32, 2):
        fed = inputs(rng, size)
        expected, got = slow.run(fed), fast.run(fed)
        assert list(got) == list(expected)
        for name, reference in expected.items():
            assert (got[name].dtype, got[name].shape) == (reference.dtype, reference.shape)
            np.testing.assert_allclose(got[name], reference, rtol=1e-5, atol=1e-6)


def test_an_answer_is_not_changed_by_the_next_call(rng):
    backend = LiteRTBackend(convolutions())
    first = backend.run(images(rng, 2))["output_1"]
    kept = first.copy()
    backend.run(images(rng, 2))
    np.testing.assert_array_equal(first, kept)


def test_threads_take_turns(rng):
    backend = LiteRTBackend(convolutions())
    asked = [images(rng, size) for size in (1, 2, 3, 4) * 10]
    alone = [backend.run(fed)["output_1"] for fed in asked]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        together = list(pool.map(backend.run, asked))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other["output_1"])


@pytest.mark.parametrize("shape", [(2, 12, 11, 2), (2, 12, 12), (12, 12, 2)])
def test_another_shape_is_refused_with_both(shape):
    with pytest.raises(ValueError, match=r"image has shape .* takes \[None, 12, 12, 2\]"):
        LiteRTBackend(convolutions()).run({"image": np.zeros(shape, np.float32)})


@pytest.mark.parametrize("index", [0, 10, -3])
def test_an_index_outside_the_table_is_an_error_and_the_next_call_works(rng, index):
    backend = LiteRTBackend(words())
    fed = indices(rng, 3)
    before = backend.run(fed)["output_1"]
    with pytest.raises(ValueError, match=r"cannot compute with these inputs: .*out of bounds"):
        backend.run({"words": np.array([[index, 1, 1, 1, 1]] * 3)})
    np.testing.assert_array_equal(backend.run(fed)["output_1"], before)


def of_doubles():
    x = keras.Input([3], dtype="float64", name="x")
    return keras.Model(x, keras.layers.Dense(2, dtype="float64")(x))


def of_sparse_rows():
    x = keras.Input([3], sparse=True, name="x")
    return keras.Model(x, keras.layers.Dense(2)(x))


def checking():
    x = keras.Input([2], dtype="int64", name="x")
    return keras.Model(x, Checked()(x))


class Checked(keras.layers.Layer):
    def call(self, x):
        with tf.control_dependencies([tf.debugging.assert_positive(x)]):
            return tf.cast(x, tf.float32) * 2.0


class InverseErrorFunction(keras.layers.Layer):
    def call(self, x):
        return tf.math.erfinv(x)


def one_hot():
    x = keras.Input([None], dtype="int64", name="x")
    return keras.Model(x, OneHotRows(5)(x))


def of_no_builtin():
    x = keras.Input([4], name="x")
    return keras.Model(x, InverseErrorFunction()(x))


def doing_nothing():
    x = keras.Input([4], name="x")
    return keras.Model(x, keras.layers.Dropout(0.5)(x))


REFUSED = {
    "x: float64": of_doubles,
    "x: a sparse input": of_sparse_rows,
    "the check of tf.Assert": checking,
    "the check of tf.ScatterNd": one_hot,
    "tf.Erfinv": of_no_builtin,
    "an output that is an input": doing_nothing,
}


@pytest.mark.parametrize(("reason", "make"), REFUSED.items(), ids=REFUSED)
def test_a_model_that_cannot_be_converted_is_refused_with_the_reason(reason, make):
    with pytest.raises(CannotConvertError, match=reason):
        LiteRTBackend(make())


def test_the_terminal_stays_clean(capfd):
    LiteRTBackend(convolutions())
    with pytest.raises(CannotConvertError):
        LiteRTBackend(of_no_builtin())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("make", [convolutions, words, two_of_each])
def test_the_predictor_takes_it_where_there_are_no_kernels(make):
    predictor = Predictor(make(), None)
    if make is two_of_each:
        assert predictor.backend.name == "compiled"
        predictor = Predictor(make(), None, backend="litert")
    assert predictor.backend.name == "litert"
    assert predictor.choice.startswith("litert: within ")


def test_it_is_not_used_where_it_answers_otherwise(monkeypatch):
    honest = LiteRTBackend.run

    def run(self, inputs):
        return {name: y + np.float32(1e-4) for name, y in honest(self, inputs).items()}

    monkeypatch.setattr(LiteRTBackend, "run", run)
    predictor = Predictor(convolutions(), None)
    assert predictor.backend.name == "tensorflow"
    assert "compiled backend cannot be used: no kernel for" in predictor.choice
    assert "litert backend cannot be used: output_1 differs by" in predictor.choice
    with pytest.raises(BackendError, match="litert backend cannot be used: output_1 differs"):
        Predictor(convolutions(), None, backend="litert")
