"""v1's discretizer, imported: v1's id for every value, from every source, in every runtime."""

import json
import shutil

import numpy as np
import pytest

from deepbird_v2.data import FeatureConfig, decode_batch, read_records
from deepbird_v2.discretizers import file
from deepbird_v2.discretizers.errors import StateError
from deepbird_v2.discretizers.search import Search, bisect
from migrate import t7, tensorio
from migrate.discretizer import load_discretizer
from migrate.isotonic import load_isotonic

GONE = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e308]


@pytest.fixture(scope="module")
def flights(golden):
    return golden / "flights"


@pytest.fixture(scope="module")
def v1(flights):
    """The tensors of v1's layer, as they are in the file."""
    layer = t7.load(flights / "flights.t7").fields["modules"][1].fields
    return {name: layer[name].numpy() for name in ("featureIds", "binVals", "binIds")}


@pytest.fixture(scope="module")
def traffic(flights, v1):
    """(keys, values): all continuous traffic, every boundary with its neighbours, specials."""
    config = FeatureConfig.from_features_json(flights / "features.json")
    batch = decode_batch(read_records(flights / "requests.lzo"), config)
    assert len(batch) == 2500
    keys, values = [batch.key], [batch.value]
    for feature, edges in zip(v1["featureIds"], v1["binVals"], strict=True):
        near = [edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf), GONE]
        values.append(np.concatenate(near))
        keys.append(np.full(len(values[-1]), feature))
    return np.concatenate(keys), np.concatenate(values)


@pytest.fixture(scope="module")
def expected(v1, traffic):
    """v1's ids, one value at a time."""
    rows = {int(f): i for i, f in enumerate(v1["featureIds"])}
    bins = v1["binIds"].size
    return [
        (int(key) % 2**64) % (4096 - bins) + bins
        if (row := rows.get(int(key))) is None
        else v1["binIds"][row, 0 if np.isnan(value) else bisect(v1["binVals"][row], value)]
        for key, value in zip(*traffic, strict=True)
    ]


@pytest.mark.parametrize("native", ["0", "1"])
def test_v1s_id_for_every_value_in_numpy(flights, traffic, expected, native, monkeypatch):
    monkeypatch.setenv("DEEPBIRD_NATIVE", native)
    state = load_discretizer(flights / "flights.t7")
    assert state.apply(*traffic)[0].tolist() == expected
    assert state.normalized().apply(*traffic)[0].tolist() == expected
    assert file.loads(file.dumps(state)).apply(*traffic)[0].tolist() == expected


def test_v1s_id_for_every_value_in_keras_and_a_savedmodel(flights, traffic, expected, tmp_path):
    import tensorflow as tf

    from deepbird_v2.discretizers.percentile import PercentileDiscretizer as PublishedState
    from deepbird_v2.layers.discretizer import Discretizer
    from deepbird_v2.layers.percentile_discretizer import PercentileDiscretizer

    state = load_discretizer(flights / "flights.t7")
    ids = np.array([b.feature for b in state.features])
    edges, bins = (np.stack([getattr(b, n) for b in state.features]) for n in ("edges", "ids"))
    layers = {
        "any": Discretizer.from_state(state),
        "v1's": PercentileDiscretizer.from_state(PublishedState(ids, edges, bins, 12)),
    }
    columns = [tf.RaggedTensor.from_row_splits(c, [0, len(c)]) for c in traffic]
    specs = [tf.RaggedTensorSpec((None, None), c.dtype, 1) for c in columns]
    for name, layer in layers.items():
        assert layer(*columns).indices[:, 1].numpy().tolist() == expected, name
        module = tf.Module()
        module.weights = [variable.value for variable in layer.variables]
        module.run = tf.function(layer.call, input_signature=specs)
        tf.saved_model.save(module, str(tmp_path / name))
        restored = tf.saved_model.load(str(tmp_path / name))
        assert restored.run(*columns).indices[:, 1].numpy().tolist() == expected, name


def test_every_source_gives_the_same_state(flights, v1, tmp_path):
    state = load_discretizer(flights / "flights.t7")
    file.save(state, tmp_path / "state.json")
    tensorio.write(
        tmp_path / "tensors", {f"discretizer.{k}": v for k, v in v1.items()} | {"outputBits": 12}
    )
    published = {
        "feature_ids": v1["featureIds"].tolist(),
        "bin_boundaries": v1["binVals"].tolist(),
        "output_bits": 12,
    }
    (tmp_path / "x_bin.json").write_text(json.dumps(published))
    published["bin_boundaries"] = v1["binVals"].ravel().tolist()
    (tmp_path / "flat_bin.json").write_text(json.dumps(published))
    shutil.copy(flights / "features.json", tmp_path)
    shutil.copy(flights / "features.json", tmp_path / "tensors")
    for name in ("state.json", "tensors", "x_bin.json", "flat_bin.json"):
        assert load_discretizer(tmp_path / name).fingerprint == state.fingerprint, name
    assert {b.name for b in state.features} >= {"weather.precip", "flight.distance"}


def test_a_float32_import_compares_in_float32(flights):
    state = load_discretizer(flights / "flights.t7", float32=True)
    assert state.float32
    feature = state.features[1]
    edge = feature.edges[5]
    assert np.float32(edge) == edge
    below = np.nextafter(edge, -np.inf)
    ids, _ = state.apply(np.full(2, feature.feature), np.array([edge, below]))
    assert ids[0] == ids[1]


def test_a_state_file_is_read_in_float32_like_its_source(flights, tmp_path):
    file.save(load_discretizer(flights / "flights.t7"), tmp_path / "v1.json")
    narrow = load_discretizer(flights / "flights.t7", float32=True)
    assert load_discretizer(tmp_path / "v1.json", float32=True).fingerprint == narrow.fingerprint


def test_a_hashing_file_is_read_as_one(v1, tmp_path):
    published = {"feature_ids": [5], "bin_boundaries": [[0.0, 1.0]], "output_bits": 8}
    (tmp_path / "x_bin.json").write_text(json.dumps(published))
    state = load_discretizer(tmp_path / "x_bin.json", kind="hashing")
    assert (state.method, len(state.features[0].ids)) == ("hashing", 3)
    other = load_discretizer(tmp_path / "x_bin.json", kind="hashing", options=6)
    assert other.search is Search.LEFT_CLOSED
    assert other.features[0].ids.tolist() != state.features[0].ids.tolist()
    for kind, method in (("mdl", "mdl-percentile"), ("hashed-percentile", "hashed-percentile")):
        state = load_discretizer(tmp_path / "x_bin.json", kind=kind)
        assert (state.method, state.search) == (method, Search.BISECTION)
    with pytest.raises(StateError, match="no kind 'hashin'; there are percentile, hashing"):
        load_discretizer(tmp_path / "x_bin.json", kind="hashin")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "no object"),
        ("{}", "no featureIds or feature_ids in it"),
        ('{"feature_ids": [1], "bin_boundaries": [[0, 1]]}', "how many output bits"),
        ('{"feature_ids": [1.5], "bin_boundaries": [[0, 1]], "output_bits": 8}', "expected integ"),
        ('{"feature_ids": [1], "bin_boundaries": [["x"]], "output_bits": 8}', "expected numbers"),
        ('{"feature_ids": [1], "bin_boundaries": [[1, 0]], "output_bits": 8}', "not ascending"),
        ('{"feature_ids": [1, 2], "bin_boundaries": [[1], [0, 2]], "output_bits": 8}', "x.json: "),
    ],
)
def test_refuses_with_one_clear_error(content, message, tmp_path):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(StateError, match=message):
        load_discretizer(tmp_path / "x.json")


def test_a_file_without_one_is_told(golden):
    with pytest.raises(StateError, match="holds 0 modules of class"):
        load_discretizer(golden / "flights" / "flights_initial.t7")


def test_v1s_calibration_map(flights, tmp_path):
    xs, ys = load_isotonic(flights / "flights.t7")
    assert xs.dtype == np.float64
    np.savez(tmp_path / "map.npz", xs=xs, ys=ys)
    np.testing.assert_array_equal(load_isotonic(tmp_path / "map.npz"), (xs, ys))
    np.savez(tmp_path / "bad.npz", xs=xs, ys=ys[::-1])
    with pytest.raises(ValueError, match=r"bad.npz: ys descends"):
        load_isotonic(tmp_path / "bad.npz")
