"""Every small layer: through its config, through a file, and its symbolic shape."""

import keras
import numpy as np
import pytest

from deepbird_v2.layers.affine import Offset, Scale
from deepbird_v2.layers.bilinear import Bilinear
from deepbird_v2.layers.constant import Constant
from deepbird_v2.layers.distance import Cosine, Euclidean, PairwiseDistance
from deepbird_v2.layers.extreme import Extreme
from deepbird_v2.layers.gradient import GradientReversal, L1Penalty
from deepbird_v2.layers.masked_select import MaskedSelect
from deepbird_v2.layers.partial_dense import PartialDense
from deepbird_v2.layers.prelu import PReLU, RReLU

LAYERS = {
    "Scale": (Scale((3, 1)), [(3, 4)]),
    "Offset": (Offset((4,)), [(3, 4)]),
    "Bilinear": (Bilinear(2), [(3,), (4,)]),
    "Bilinear without bias": (Bilinear(2, use_bias=False), [(3,), (4,)]),
    "Constant": (Constant((2, 3)), [(4,)]),
    "Constant a row": (Constant((2, 3), batched=True), [(4,)]),
    "Cosine": (Cosine(2), [(3,)]),
    "Euclidean": (Euclidean(2), [(3,)]),
    "Euclidean weighted": (Euclidean(2, weighted=True), [(3,)]),
    "PairwiseDistance": (PairwiseDistance(3.0), [(4,), (4,)]),
    "Extreme": (Extreme(1), [(3, 4)]),
    "Extreme least kept": (Extreme(2, least=True, keepdims=True), [(3, 4)]),
    "GradientReversal": (GradientReversal(0.5), [(3,)]),
    "L1Penalty": (L1Penalty(0.5, average=True, pass_gradient=False), [(3,)]),
    "MaskedSelect": (MaskedSelect(), [(3, 4), (3, 4)]),
    "PartialDense": (PartialDense(5, [3, 0]), [(4,)]),
    "PartialDense all": (PartialDense(5, use_bias=False), [(4,)]),
    "PReLU": (PReLU(), [(3, 4)]),
    "PReLU channels": (PReLU(3, axis=1, initial=0.1), [(3, 4)]),
    "RReLU": (RReLU(0.1, 0.3, seed=2), [(3, 4)]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_survives_its_config_and_a_file(name, tmp_path):
    layer, shapes = LAYERS[name]
    rng = np.random.default_rng(5)
    values = [rng.standard_normal((2, *shape)).astype(np.float32) for shape in shapes]
    values = values if len(values) > 1 else values[0]
    inputs = [keras.Input(shape) for shape in shapes]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    symbolic = layer(inputs)
    for variable in layer.trainable_variables:
        variable.assign(rng.standard_normal(variable.shape))
    expected = np.asarray(layer(values))
    shape = tuple(expected.shape[i] if n is None else n for i, n in enumerate(symbolic.shape))
    assert expected.shape == shape

    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()

    path = tmp_path / "model.keras"
    keras.Model(inputs, symbolic).save(path)
    np.testing.assert_array_equal(keras.models.load_model(path)(values), expected)


def test_random_slopes_stay_within_their_bounds_and_have_their_mean():
    x = -np.ones((100, 200), np.float32)
    layer = RReLU(0.2, 0.6, seed=3)
    slopes = -np.asarray(layer(x, training=True))
    assert 0.2 <= slopes.min() < 0.21
    assert 0.59 < slopes.max() <= 0.6
    assert abs(slopes.mean() - 0.4) < 0.005
    np.testing.assert_allclose(layer(x), 0.4 * x, rtol=1e-6)
    np.testing.assert_array_equal(layer(-x, training=True), -x)
