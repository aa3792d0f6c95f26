"""The layer of any discretizer: float32 values against float64 edges, and its state read back."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbird_v2.discretizers import DiscretizerCalibrator, published
from deepbird_v2.discretizers.order import INFINITY_KEY, from_key, order_key
from deepbird_v2.export import load_keras
from deepbird_v2.layers.discretizer import Discretizer

IDS = np.array([-(2**63), 3, 2**63 - 1])
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e-45, 2.0**53, 1e300]


def edges_of(kind, dtype):
    """[3, 9] ascending edges, ties and infinities among them."""
    rng = np.random.default_rng(4)
    edges = {
        "smooth": rng.normal(size=(3, 9)),
        "ties": rng.integers(-2, 3, (3, 9)).astype(float),
        "extreme": rng.choice([-np.inf, np.inf, 0.0, -0.0, 5e-324, 1e-39, 0.1, 3.4e38], (3, 9)),
    }[kind]
    return np.sort(edges.astype(dtype), axis=1)


MAKERS = {
    "percentile": published.percentile,
    "(a,b]": published.hashing,
    "[a,b)": lambda ids, edges, bits: published.hashing(ids, edges, bits, 2),
    "normalized": lambda *layout: published.percentile(*layout).normalized(),
}


def around(edges, dtype):
    """Edges, their neighbours in float64 and in the values' own type, and special values."""
    keys = order_key(edges)[..., np.newaxis] + [-1, 0, 1]
    values = from_key(np.clip(keys, -INFINITY_KEY, INFINITY_KEY)).ravel()
    with np.errstate(over="ignore"):
        values = np.concatenate([values, SPECIAL]).astype(dtype)
        beside = [np.nextafter(values, dtype(sign * np.inf)) for sign in (1, -1)]
    return np.concatenate([values, *beside])


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("kind", ["smooth", "ties", "extreme"])
@pytest.mark.parametrize("edge_type", [np.float32, np.float64])
@pytest.mark.parametrize("value_type", [np.float32, np.float64])
def test_gives_numpys_ids_beside_every_edge(make, kind, edge_type, value_type):
    edges = edges_of(kind, edge_type)
    state = make(IDS, edges, 10)
    values = around(edges, value_type)
    keys = np.array([*IDS, 5])[np.arange(len(values)) % 4]
    keys, values = np.tile(keys, 4), np.repeat(values, 4)
    layer = Discretizer.from_state(state)
    ragged = [tf.RaggedTensor.from_row_splits(c, [0, 7, len(c)]) for c in (keys, values)]
    expected = state.apply(keys, values)[0]
    np.testing.assert_array_equal(layer(*ragged).indices[:, 1], expected)
    np.testing.assert_array_equal(layer.state().apply(keys, values)[0], expected)


def test_the_state_survives_a_model_file(tmp_path):
    calibrator = DiscretizerCalibrator(5, 9)
    rng = np.random.default_rng(0)
    calibrator.accumulate(rng.integers(0, 4, 500), rng.normal(size=500))
    calibrator.calibrate()
    inputs = [
        keras.Input((None,), dtype=kind, ragged=True, name=name)
        for name, kind in (("key", "int64"), ("value", "float64"))
    ]
    keras.Model(inputs, calibrator.to_layer(name="bins")(*inputs)).save(tmp_path / "m.keras")
    state = load_keras(tmp_path / "m.keras").get_layer("bins").state()
    for before, after in zip(calibrator.state.features, state.features, strict=True):
        assert after.edges.tobytes() == before.edges.tobytes()
        assert after.ids.tobytes() == before.ids.tobytes()
    assert state.unknown == calibrator.state.unknown


def test_a_graph_of_it_is_made_without_a_word(caplog):
    """AutoGraph warns of what it cannot convert, a user at every start."""
    state = published.percentile(IDS, edges_of("smooth", np.float64), 10)
    graph = tf.function(Discretizer.from_state(state).call)
    keys, values = np.array([3, 5]), np.array([0.1, 2.0])
    with caplog.at_level("WARNING", logger="tensorflow"):
        out = graph(*(tf.RaggedTensor.from_row_splits(c, [0, 2]) for c in (keys, values)))
    np.testing.assert_array_equal(out.indices[:, 1], state.apply(keys, values)[0])
    assert "AutoGraph" not in caplog.text
