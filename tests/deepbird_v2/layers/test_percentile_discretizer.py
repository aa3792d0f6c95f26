"""The discretizer as a layer: NumPy's ids, and the same after saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbird_v2.discretizers.percentile import PercentileDiscretizer as State
from deepbird_v2.export import load_keras
from deepbird_v2.layers.percentile_discretizer import PercentileDiscretizer
from vectors import cases

VECTORS = cases("percentile_discretizer_infer.npz")


def ragged(vector):
    splits = np.array([0, 3, 3, len(vector["in_ids"])])
    return [tf.RaggedTensor.from_row_splits(vector[name], splits) for name in ("in_ids", "in_vals")]


def layer_of(vector):
    edges = vector["bin_vals"]
    bins = vector["bin_ids"].reshape(edges.shape)
    return PercentileDiscretizer.from_state(
        State(vector["feature_ids"], edges, bins, int(vector["output_bits"]))
    )


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_gives_the_published_runtimes_ids(vector):
    out = layer_of(vector)(*ragged(vector))
    np.testing.assert_array_equal(out.indices[:, 1], vector["out_keys"])
    np.testing.assert_array_equal(out.values, vector["out_vals"].astype(np.float32))
    assert out.dense_shape.numpy().tolist() == [3, 2 ** int(vector["output_bits"])]


def test_survives_saving(tmp_path):
    vector = VECTORS["c2"]
    key = keras.Input((None,), dtype="int64", ragged=True, name="key")
    value = keras.Input((None,), dtype="float64", ragged=True, name="value")
    model = keras.Model([key, value], layer_of(vector)(key, value))
    model.save(tmp_path / "m.keras")
    out = load_keras(tmp_path / "m.keras")(ragged(vector))
    np.testing.assert_array_equal(out.indices[:, 1], vector["out_keys"])


def test_gives_its_state_back():
    vector = VECTORS["c3"]
    state = layer_of(vector).state()
    keys, _ = state.apply(vector["in_ids"], vector["in_vals"])
    np.testing.assert_array_equal(keys, vector["out_keys"])
