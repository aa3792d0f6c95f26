import keras
import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from deepbird_v2.layers.index_linear import LEAD, NormalizedSparse, running_max

ENTRIES = st.lists(
    st.tuples(st.integers(0, 5), st.floats(0, 8, width=32, allow_subnormal=False)), max_size=40
)


@settings(max_examples=80, deadline=None)
@given(ENTRIES)
def test_running_max_is_that_of_a_loop(entries):
    keys = np.array([k for k, _ in entries], np.int64)
    sizes = np.array([v for _, v in entries], np.float32)
    seen, expected = {}, []
    for key, size in entries:
        seen[key] = max(seen.get(key, 0), size)
        expected.append(seen[key])
    got = running_max(tf.constant(keys), tf.constant(sizes))
    np.testing.assert_array_equal(got, np.array(expected, np.float32))


def rows(*entries, batch):
    indices = [(row, key) for row, key, _ in entries]
    values = np.array([v for _, _, v in entries], np.float32)
    return tf.SparseTensor(indices, values, (batch, 4))


def made():
    layer = NormalizedSparse(2)
    layer.build((None, 4))
    weights = np.zeros((4, LEAD + 2), np.float32)
    weights[:, LEAD:] = np.arange(1, 9).reshape(4, 2)
    weights[1, :LEAD] = [2, 0.5, 1, 0.25]
    layer.set_weights([weights, np.array([0.5, -0.5], np.float32)])
    return layer


def test_values_are_scaled_by_the_largest_of_their_key_and_clamped():
    layer = made()
    before = layer.kernel.numpy()
    y = layer(rows((0, 1, 1.0), (1, 1, -5.0), (2, 3, 7.0), batch=4))
    scaled = np.array([1 * 0.5 + 0.25, -1 + 0.25])[:, None] * [3, 4]
    expected = np.vstack([scaled, [[7, 8]], [[0, 0]]]) + layer.bias.numpy()
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    np.testing.assert_array_equal(layer.kernel.numpy(), before)


def test_training_raises_the_largest_entry_by_entry():
    layer = made()
    y = layer(rows((0, 1, 1.0), (1, 1, -8.0), (1, 1, 4.0), (2, 0, 3.0), batch=3), training=True)
    one, two, three = 1 * 0.5 + 0.25, -1 + 0.25, 4 / 8 + 0.25
    expected = np.array([[one * 3, one * 4], [(two + three) * 3, (two + three) * 4], [1, 2]])
    np.testing.assert_allclose(y, expected + layer.bias.numpy(), rtol=1e-6)
    kernel = layer.kernel.numpy()
    np.testing.assert_allclose(kernel[1, :LEAD], [8, 1 / 8, 1, 0.25])
    np.testing.assert_allclose(kernel[0, :LEAD], [3, 1 / 3, 1, 0])
    np.testing.assert_array_equal(kernel[2:, :LEAD], 0)


def test_the_shift_is_learnt_and_the_largest_is_not():
    layer = made()
    with tf.GradientTape() as tape:
        y = layer(rows((0, 1, 1.0), batch=1))
    gradient = tf.convert_to_tensor(tape.gradient(y, layer.kernel.value))
    np.testing.assert_allclose(gradient[1], [0, 0, 0, 3 + 4, 0.75, 0.75])


def test_survives_a_file(tmp_path):
    x = keras.Input((4,), sparse=True)
    model = keras.Model(x, made()(x))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    batch = rows((0, 1, 1.0), (1, 2, 3.0), batch=2)
    np.testing.assert_array_equal(loaded(batch), model(batch))
