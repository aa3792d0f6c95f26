"""``deepbird verify discretizer`` over every kind of source: identical passes, faults are named."""

import json

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from deepbird_cli.main import app
from deepbird_v2.discretizers import published, save
from deepbird_v2.discretizers.order import from_key, order_key
from deepbird_v2.discretizers.percentile import PercentileDiscretizer as PublishedState
from deepbird_v2.folder import building, write_manifest
from deepbird_v2.layers.discretizer import Discretizer as AnyLayer
from deepbird_v2.layers.full_sparse import FullSparse
from deepbird_v2.layers.percentile_discretizer import PercentileDiscretizer
from migrate import t7, tensorio

FEATURE = 4  # the row that faults are planted in


@pytest.fixture(scope="module")
def tensors(flights):
    """v1's (feature ids, edges, bin ids)."""
    layer = t7.load(flights / "flights.t7").fields["modules"][1].fields
    return tuple(layer[name].numpy() for name in ("featureIds", "binVals", "binIds"))


def nudged(ids, edges, bins):
    edges = edges.copy()
    at = int(np.flatnonzero(np.diff(edges[FEATURE]) > 0)[2]) + 1
    edges[FEATURE, at] = np.nextafter(edges[FEATURE, at], -np.inf)
    return ids, edges, bins


def swapped(ids, edges, bins):
    bins = bins.copy()
    bins[FEATURE, [3, 4]] = bins[FEATURE, [4, 3]]
    return ids, edges, bins


def dropped(*columns):
    return tuple(np.delete(column, FEATURE, axis=0) for column in columns)


def reordered(ids, edges, bins):
    """The same features, calibrated in another order: all that a ``_bin.json`` can get wrong."""
    order = np.arange(len(ids))
    order[[FEATURE, FEATURE + 1]] = order[[FEATURE + 1, FEATURE]]
    return ids[order], edges[order], bins


FAULTS = {"1 ULP": nudged, "ids": swapped, "dropped": dropped, "reordered": reordered}


def state_file(path, ids, edges, bins):
    save(published.percentile(ids, edges, 12, bins), path)


def tensorio_folder(path, ids, edges, bins):
    columns = {"featureIds": ids, "binVals": edges, "binIds": bins, "outputBits": 12}
    tensorio.write(path, {f"discretizer.{name}": value for name, value in columns.items()})


def bin_json(path, ids, edges, _):
    columns = {"feature_ids": ids.tolist(), "bin_boundaries": edges.tolist(), "output_bits": 12}
    path.write_text(json.dumps(columns))


def model_folder(path, layer):
    inputs = [
        keras.Input((None,), dtype=kind, ragged=True, name=name)
        for name, kind in (("key", "int64"), ("value", "float64"))
    ]
    model = keras.Model(inputs, FullSparse(1)(layer(*inputs)))
    with building(path) as root:
        model.save(root / "model.keras")
        write_manifest(root, "m", "tensors", ("score",))


def converted(path, ids, edges, bins):
    state = PublishedState(ids, edges, bins, 12)
    model_folder(path, PercentileDiscretizer.from_state(state))


def model_of_any(path, ids, edges, bins):
    model_folder(path, AnyLayer.from_state(published.percentile(ids, edges, 12, bins)))


SOURCES = {
    "state.json": state_file,
    "tensors": tensorio_folder,
    "x_bin.json": bin_json,
    "converted": converted,
    "model": model_of_any,
}


def verify(flights, new, *more):
    arguments = ["verify", "discretizer", flights / "flights.t7", new]
    arguments += ["--data", flights / "requests.lzo", "--json", *more]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize("source", SOURCES)
def test_identical_ones_pass_from_every_source(source, flights, tensors, tmp_path):
    SOURCES[source](tmp_path / source, *tensors)
    code, report = verify(flights, tmp_path / source)
    assert (code, report["verdict"]["status"]) == (0, "PASS")
    (traffic,) = [c for c in report["verdict"]["checks"] if c["name"] == "traffic"]
    assert traffic["numbers"] == {"moved": 0, "n": 36916}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("source", SOURCES)
def test_every_fault_fails_and_names_the_feature(source, fault, flights, tensors, tmp_path):
    if (source, fault) == ("x_bin.json", "ids"):
        fault = "reordered"  # the file has no ids of bins, they follow from the order
    SOURCES[source](tmp_path / source, *FAULTS[fault](*tensors))
    code, report = verify(flights, tmp_path / source)
    assert (code, report["verdict"]["status"]) == (1, "FAIL")
    failed = [c["name"] for c in report["verdict"]["checks"] if c["status"] == "FAIL"]
    assert any(str(int(tensors[0][FEATURE])) in name for name in failed)
    if fault in ("1 ULP", "ids"):
        named = [name for name in failed if name.startswith("feature ")]
        assert len(named) == 1


def test_every_value_that_float32_moves_is_listed(flights, tensors, tmp_path):
    state_file(tmp_path / "v1.json", *tensors)
    code, report = verify(flights, flights / "flights.t7", "--float32")
    assert code == 1
    (section,) = [s for s in report["sections"] if s["title"] == "Values that move"]
    rows = section["blocks"][0]["rows"]
    v1 = published.percentile(tensors[0], tensors[1], 12, tensors[2])
    narrow = published.percentile(tensors[0], tensors[1].astype(np.float32), 12, tensors[2])
    (check,) = [c for c in report["verdict"]["checks"] if c["name"] == "traffic"]
    assert sum(row[5] or 0 for row in rows) == check["numbers"]["moved"]
    features = {str(b): b.feature for b in v1.features}
    listed = {}
    for name, low, high, old, new, _ in rows:
        feature = features[name.split(" (")[0]]
        listed.setdefault(feature, []).append((float(low), float(high)))
        key, ends = np.array([feature] * 2), np.array([float(low), float(high)])
        assert v1.apply(key, ends)[0].tolist() == [old] * 2
        assert narrow.apply(key, ends)[0].tolist() == [new] * 2
    assert len(rows) > 20
    for bins, rounded in zip(v1.features, narrow.features, strict=True):
        edges = order_key(np.concatenate([bins.edges, rounded.edges]))
        values = from_key((edges[:, np.newaxis] + np.arange(-3, 4)).ravel())
        keys = np.full(len(values), bins.feature)
        moves = v1.apply(keys, values)[0] != narrow.apply(keys, values)[0]
        inside = [any(a <= v <= b for a, b in listed.get(bins.feature, [])) for v in values]
        assert inside == moves.tolist()
