"""The published runtime's discretizers: every recorded answer, in NumPy and as a layer."""

import numpy as np
import pytest

from deepbird_v2.discretizers import published
from deepbird_v2.discretizers.errors import StateError
from vectors import GOLDEN, cases


def percentile(v):
    return published.percentile(
        v["feature_ids"], v["bin_vals"], int(v["output_bits"]), v["bin_ids"]
    )


def hashing(v):
    return published.hashing(
        v["feature_ids"], v["bin_vals"], int(v["output_bits"]), int(v["options"])
    )


VECTORS = {
    f"{make.__name__} {name}": (make, vector)
    for make in (percentile, hashing)
    for name, vector in cases(f"{make.__name__}_discretizer_infer.npz").items()
}


@pytest.mark.parametrize(("make", "vector"), VECTORS.values(), ids=VECTORS)
def test_gives_the_published_runtimes_ids(make, vector):
    state = make(vector)
    keys, values = state.apply(vector["in_ids"], vector["in_vals"])
    np.testing.assert_array_equal(keys, vector["out_keys"])
    np.testing.assert_array_equal(values, vector["out_vals"].astype(np.float32))


@pytest.mark.parametrize(("make", "vector"), VECTORS.values(), ids=VECTORS)
def test_the_layer_gives_the_same(make, vector):
    import tensorflow as tf

    from deepbird_v2.layers.discretizer import Discretizer

    splits = np.array([0, 3, 3, len(vector["in_ids"])])
    ragged = [tf.RaggedTensor.from_row_splits(vector[n], splits) for n in ("in_ids", "in_vals")]
    out = Discretizer.from_state(make(vector))(*ragged)
    np.testing.assert_array_equal(out.indices[:, 1], vector["out_keys"])
    np.testing.assert_array_equal(out.values, vector["out_vals"].astype(np.float32))


def test_what_was_called_mdl_gives_its_ids_and_local_bins():
    with np.load(GOLDEN / "v2_runtime" / "mdl_infer.npz") as data:
        v = dict(data)
    features = np.arange(len(v["feature_offsets"]))
    state = published.mdl(features, v["bin_vals"], 12, v["bin_ids"])
    ids, values = state.apply(v["keys"], v["vals"])
    np.testing.assert_array_equal(ids, v["out_keys_0"])
    np.testing.assert_array_equal(values, v["out_vals_0"])
    rows, _ = state.table.rows(v["keys"])
    np.testing.assert_array_equal(state.table.bin_of(rows, v["vals"]), v["out_keys_1"])


def test_collisions_of_the_published_layouts_are_told():
    edges = np.tile(np.arange(9.0), (40, 1))
    assert published.percentile(np.arange(40), edges, 12).collisions()
    assert any("belongs to" in c for c in published.hashing(np.arange(40), edges, 6).collisions())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: published.percentile([1], [[0.0, 1.0]], 1), "leave no ids"),
        (lambda: published.percentile([1, 2], [[0.0, 1.0]], 8), "expected feature_ids"),
        (lambda: published.percentile([1], [[1.0, 0.0]], 8), "feature 1: .*not ascending"),
        (lambda: published.hashing([1], [[0.0, 1.0]], 33), "32-bit hash"),
    ],
)
def test_refuses_what_makes_no_sense(call, message):
    with pytest.raises(StateError, match=message):
        call()
