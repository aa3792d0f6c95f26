import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from deepbird_v2.layers.full_sparse import FullSparse

WIDTH, UNITS = 11, 3
ENTRIES = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(0, WIDTH - 1),
        st.floats(-2, 2, width=32, allow_subnormal=False),
    ),
    max_size=20,
)


def sparse(entries, batch):
    indices = np.array([e[:2] for e in entries], np.int64).reshape(-1, 2)
    values = np.array([e[2] for e in entries], np.float32)
    return tf.SparseTensor(indices, values, (batch, WIDTH))


def dense(entries, batch):
    rows = np.zeros((batch, WIDTH), np.float32)
    for row, key, value in entries:
        rows[row, key] += value
    return rows


def made(**options):
    layer = FullSparse(UNITS, bias_initializer="normal", **options)
    layer.build((None, WIDTH))
    return layer


@settings(max_examples=60, deadline=None)
@given(entries=ENTRIES, order=st.booleans())
def test_equals_a_dense_layer_whatever_the_order_of_the_entries(entries, order):
    entries = sorted(entries, key=lambda e: e[0]) if order else entries
    layer, batch = made(), 6  # at least one row has no entries
    rows = dense(entries, batch)
    with tf.GradientTape() as tape:
        y = layer(sparse(entries, batch))
        loss = tf.reduce_sum(y * tf.range(1.0, UNITS + 1))
    gradient = tape.gradient(loss, layer.kernel.value)
    expected = rows @ layer.kernel.numpy() + layer.bias.numpy()
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    assert isinstance(gradient, tf.IndexedSlices)
    assert gradient.values.shape[0] == len(entries)
    np.testing.assert_allclose(
        tf.convert_to_tensor(gradient),
        rows.sum(0)[:, None] * np.arange(1, UNITS + 1),
        rtol=1e-5,
        atol=1e-5,
    )


def test_binary_values_count_entries_and_do_not_read_them():
    entries = [(0, 3, 0.25), (0, 5, -9.0), (2, 3, 0.0)]
    layer = made(use_binary_values=True, activation="relu")
    ones = dense([(row, key, 1) for row, key, _ in entries], 3)
    expected = np.maximum(ones @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    np.testing.assert_allclose(layer(sparse(entries, 3)), expected, rtol=1e-5, atol=1e-6)


def test_weight_decay_goes_into_the_gradient_and_not_into_the_output():
    entries = [(0, 3, 0.5), (1, 7, -1.0)]
    layer, plain = made(weight_decay=0.1), made()
    plain.set_weights(layer.get_weights())
    with tf.GradientTape(persistent=True) as tape:
        y, same = layer(sparse(entries, 2)), plain(sparse(entries, 2))
    np.testing.assert_array_equal(y, same)
    decayed = tf.convert_to_tensor(tape.gradient(y, layer.kernel.value))
    bare = tf.convert_to_tensor(tape.gradient(same, plain.kernel.value))
    np.testing.assert_allclose(decayed - bare, 0.1 * layer.kernel.numpy(), rtol=1e-5, atol=1e-7)


def test_a_key_outside_the_kernel_is_an_error():
    layer = made()
    with pytest.raises(tf.errors.InvalidArgumentError, match="11"):
        layer(tf.SparseTensor([[0, WIDTH]], [1.0], (1, WIDTH + 1)))


@pytest.mark.parametrize("use_bias", [True, False])
def test_survives_a_file(tmp_path, use_bias):
    x = keras.Input((WIDTH,), sparse=True)
    options = {"activation": "tanh", "use_bias": use_bias, "use_binary_values": True}
    model = keras.Model(x, FullSparse(UNITS, **options)(x))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    rows = sparse([(0, 1, 2.0), (2, 4, 1.0)], 3)
    np.testing.assert_array_equal(loaded(rows), model(rows))
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()


def test_runs_inside_a_graph_with_any_batch():
    layer = made()
    run = tf.function(
        layer, input_signature=[tf.SparseTensorSpec((None, WIDTH), tf.float32)], jit_compile=False
    )
    for batch in (1, 4):
        entries = [(batch - 1, 2, 1.5)]
        expected = dense(entries, batch) @ layer.kernel.numpy() + layer.bias.numpy()
        np.testing.assert_allclose(run(sparse(entries, batch)), expected, rtol=1e-5, atol=1e-6)
