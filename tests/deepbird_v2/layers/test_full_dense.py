"""FullDense: v1's order of dense, normalization, activation and dropout, and files."""

import keras
import numpy as np
import pytest

from deepbird_v2.export import load_keras
from deepbird_v2.layers.full_dense import FullDense
from deepbird_v2.layers.prelu import PReLU

X = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)


@pytest.mark.parametrize("activation", [None, "sigmoid", "prelu"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_is_its_parts_and_survives_a_file(tmp_path, activation, batch_norm):
    made = PReLU() if activation == "prelu" else activation
    layer = FullDense(4, made, dropout=0.5, batch_norm=batch_norm)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layer(inputs))
    expected = X @ layer.dense.kernel.numpy() + layer.dense.bias.numpy()
    if batch_norm:
        expected = expected / np.sqrt(1 + layer.norm.epsilon)  # fresh running statistics
    if activation == "sigmoid":
        expected = 1 / (1 + np.exp(-expected))
    if activation == "prelu":
        expected = np.where(expected > 0, expected, 0.25 * expected)
    np.testing.assert_allclose(model(X), expected, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(load_keras(tmp_path / "m.keras")(X), model(X))


def test_drops_only_while_training():
    layer = FullDense(200, dropout=0.5)
    kept = np.asarray(layer(X, training=True)) != 0
    assert 0.4 < kept.mean() < 0.6
    assert (np.asarray(layer(X)) != 0).all()
