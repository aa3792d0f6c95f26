import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbird_v2.layers.lookup_table import LookupTable, OneHotRows

NUMBERS = np.array([[1, 1, 3], [0, 4, 1]])


def made(**options):
    layer = LookupTable(5, (2,), **options)
    layer.build(None)
    layer.set_weights([np.arange(10, dtype=np.float32).reshape(5, 2)])
    return layer


def gradient(layer, numbers, upstream):
    with tf.GradientTape() as tape:
        y = layer(tf.constant(numbers), training=True)
    found = tape.gradient(y, layer.table.value, upstream)
    assert isinstance(found, tf.IndexedSlices)
    return np.asarray(tf.convert_to_tensor(found))


@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 2, 3)])
def test_gives_rows_for_numbers_of_any_shape(shape):
    numbers = NUMBERS.reshape(shape)
    layer = made()
    np.testing.assert_array_equal(layer(tf.constant(numbers)), layer.table.numpy()[numbers])


@pytest.mark.parametrize(
    ("options", "scale"),
    [
        ({}, [1, 1, 1, 1, 1, 1]),
        ({"padding": 1}, [0, 0, 1, 1, 1, 0]),
        ({"scale_by_frequency": True}, [1 / 3, 1 / 3, 1, 1, 1, 1 / 3]),
        ({"scale_by_frequency": True, "padding": 1}, [0, 0, 1, 1, 1, 0]),
    ],
)
def test_gradients_of_padding_and_frequency(options, scale):
    upstream = np.random.default_rng(3).standard_normal((2, 3, 2)).astype(np.float32)
    expected = np.zeros((5, 2))
    np.add.at(expected, NUMBERS.ravel(), upstream.reshape(6, 2) * np.array(scale)[:, None])
    np.testing.assert_allclose(
        gradient(made(**options), NUMBERS, upstream), expected, rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_long_rows_are_shortened_in_the_output_and_in_training_in_the_table(p):
    layer = made(max_norm=4.0, norm_type=p)
    before = layer.table.numpy()
    y = np.asarray(layer(tf.constant(NUMBERS)))
    norms = (np.abs(y) ** p).sum(-1) ** (1 / p)
    np.testing.assert_array_less(norms, 4.0 + 1e-5)
    np.testing.assert_array_equal(layer.table.numpy(), before)
    upstream = np.ones((2, 3, 2), np.float32)
    counts = np.bincount(NUMBERS.ravel(), minlength=5)[:, None]
    np.testing.assert_allclose(gradient(layer, NUMBERS, upstream), counts * np.ones(2), rtol=1e-6)
    np.testing.assert_allclose(layer.table.numpy()[NUMBERS], y, rtol=1e-6)
    np.testing.assert_array_equal(layer.table.numpy()[2], before[2])  # nobody asked for row 2


@pytest.mark.parametrize("number", [-1, 5])
@pytest.mark.parametrize("layer", [made(), OneHotRows(5)], ids=["table", "one-hot"])
def test_a_number_outside_is_an_error(layer, number):
    with pytest.raises(tf.errors.InvalidArgumentError):
        layer(tf.constant([0, number], tf.int64))


def test_one_hot_adds_an_axis():
    expected = np.eye(5, dtype=np.float32)[NUMBERS]
    np.testing.assert_array_equal(OneHotRows(5)(tf.constant(NUMBERS)), expected)


def test_survives_a_file(tmp_path):
    x = keras.Input((None,), dtype="int64")
    table = made(padding=2, max_norm=3.0, norm_type=1.5, scale_by_frequency=True)
    model = keras.Model(x, [table(x), OneHotRows(5)(x)])
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    for got, expected in zip(loaded(NUMBERS), model(NUMBERS), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert loaded.layers[1].get_config() == table.get_config()
