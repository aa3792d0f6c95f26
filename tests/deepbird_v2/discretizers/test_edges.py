"""Fits: quantiles against sorting, Fayyad and Irani's splits against counting, sketches."""

import hashlib
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepbird_v2.discretizers.accumulate import Collection
from deepbird_v2.discretizers.calibrator import DiscretizerCalibrator
from deepbird_v2.discretizers.edges import mdl_edges, percentile_edges
from deepbird_v2.discretizers.errors import CalibrationDataError, StateError
from deepbird_v2.discretizers.order import from_key, order_key


def sketch_of(values, labels=None, capacity=1024):
    collection = Collection(capacity, 1 if labels is None else 2)
    collection.add(np.zeros(len(values), np.int64), np.array(values), labels=labels)
    return collection.sketches[0]


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=60), st.integers(2, 12))
def test_percentile_edges_by_counting(values, n_bin):
    values = np.sort(np.array(values, float))
    expected = set()
    for i in range(1, n_bin):
        # The smallest value that i/n_bin of all values lie below.
        enough = [v for v in values if (values < v).sum() * n_bin >= i * len(values)]
        expected |= set(enough[:1])
    assert percentile_edges(sketch_of(values), n_bin).tolist() == sorted(expected)


def test_a_weight_counts_as_often_as_it_says():
    values, weights = np.array([1.0, 2.0, 3.0]), np.array([3.0, 1.0, 4.0])
    collection = Collection()
    collection.add(np.zeros(3, np.int64), values, weights)
    repeated = sketch_of(np.repeat(values, weights.astype(int)))
    assert (
        percentile_edges(collection.sketches[0], 4).tolist()
        == percentile_edges(repeated, 4).tolist()
    )


def entropy(labels):
    shares = [labels.count(c) / len(labels) for c in set(labels)]
    return -sum(p * math.log2(p) for p in shares)


def mdlp(pairs):
    """Fayyad and Irani's recursion, word by word."""
    pairs = sorted(pairs)
    labels = [c for _, c in pairs]
    n = len(labels)
    cuts = [i for i in range(1, n) if pairs[i - 1][0] < pairs[i][0]]
    if not cuts:
        return []
    cost = {i: (i * entropy(labels[:i]) + (n - i) * entropy(labels[i:])) / n for i in cuts}
    cut = min(cuts, key=lambda i: (round(cost[i], 12), i))
    left, right = labels[:cut], labels[cut:]
    k, k1, k2 = (len(set(part)) for part in (labels, left, right))
    gain = entropy(labels) - cost[cut]
    delta = math.log2(3**k - 2) - (k * entropy(labels) - k1 * entropy(left) - k2 * entropy(right))
    if gain <= (math.log2(n - 1) + delta) / n:
        return []
    return [*mdlp(pairs[:cut]), pairs[cut][0], *mdlp(pairs[cut:])]


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(20, 120))
def test_mdl_is_fayyad_and_iranis_recursion(seed, steps, n):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 30, n)
    labels = ((values * steps // 30) % 2) ^ (rng.random(n) < 0.1)
    expected = mdlp(list(zip(values.tolist(), labels.tolist(), strict=True)))
    assert mdl_edges(sketch_of(values, labels), 1000).tolist() == expected


def test_mdl_finds_planted_cuts_and_nothing_in_noise():
    rng = np.random.default_rng(0)
    values = rng.random(4000)
    planted = (values >= 0.3) ^ (values >= 0.7)
    found = mdl_edges(sketch_of(values, planted.astype(int), 5000), 20)
    np.testing.assert_allclose(found, [0.3, 0.7], atol=0.002)
    assert not mdl_edges(sketch_of(values, rng.integers(0, 2, 4000), 5000), 20).size
    assert len(mdl_edges(sketch_of(values, planted.astype(int), 5000), 2)) == 1


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=200), st.integers(2, 40))
def test_a_full_sketch_says_how_far_off_its_ranks_are(values, capacity):
    sketch = sketch_of(values, capacity=capacity)
    values = np.sort(values)
    assert len(sketch.lows) <= capacity
    assert sketch.total == len(values) << 20
    for edge, weight in zip(from_key(sketch.lows), np.cumsum(sketch.weights) / 2**20, strict=True):
        assert edge in values
        assert abs((order_key(values) < order_key(edge)).mean() * len(values) - weight) <= (
            sketch.weights.max() / 2**20
        )
    exact = len(np.unique(order_key(values))) <= capacity
    assert (sketch.error == 0) == exact


def test_a_collection_survives_its_file(tmp_path):
    rng = np.random.default_rng(0)
    collection = Collection(capacity=64, classes=2)
    values = np.where(rng.random(5000) < 0.1, np.nan, rng.normal(size=5000))
    collection.add(rng.integers(-3, 3, 5000), values, rng.random(5000), rng.integers(0, 2, 5000))
    collection.save(tmp_path / "c")
    loaded = Collection.load(tmp_path / "c")
    assert loaded.dumps() == collection.dumps()
    loaded.merge(collection)
    assert loaded.sketches[0].total == 2 * collection.sketches[0].total
    content = bytearray((tmp_path / "c").read_bytes())
    for damaged, message in (
        (content[:-9], "cut short or altered"),
        (content[:200] + b"x" + content[201:], "cut short or altered"),
        (b"{}", "no deepbird-collection"),
    ):
        (tmp_path / "d").write_bytes(damaged)
        with pytest.raises(StateError, match=message):
            Collection.load(tmp_path / "d")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DiscretizerCalibrator(1, 8), "n_bin starts at 2"),
        (lambda: DiscretizerCalibrator(5, 8, method="mld"), "no method 'mld'; there are"),
        (lambda: DiscretizerCalibrator(5, 8, reserve=256), "reserve 256"),
        (lambda: DiscretizerCalibrator(5, 8).calibrate(), "nothing to calibrate from"),
        (lambda: Collection().add([1], [1.0, 2.0]), "values"),
        (lambda: Collection().add([1], [1.0], [-1.0]), "weights must be"),
        (lambda: Collection().add([1], [1.0], [np.nan]), "weights must be"),
        (lambda: Collection(classes=2).add([1], [1.0]), "labels are needed"),
        (lambda: Collection(classes=2).add([1], [1.0], labels=[2]), "labels must be"),
        (lambda: Collection(classes=2).add([1], [1.0], labels=[np.nan]), "labels must be"),
        (lambda: Collection().add([1.5], [1.0]), "keys are float64, feature ids are integers"),
        (lambda: full().merge(full()), "add up to more than 4.4e\\+12"),
        (lambda: Collection(classes=2).merge(Collection()), "does not merge"),
    ],
)
def test_refuses_with_one_clear_error(call, message):
    with pytest.raises(CalibrationDataError, match=message):
        call()


def full():
    """A collection that holds the most weight there may be."""
    collection = Collection()
    collection.add([1] * 4, [1.0, 2.0, np.nan, np.nan], [2.0**40 - 1] * 4)
    assert collection.sketches
    return collection


def test_a_merge_that_is_refused_changes_nothing():
    one, other = full(), full()
    before = one.dumps()
    with pytest.raises(CalibrationDataError):
        one.merge(other)
    assert one.dumps() == before


def test_splits_that_cost_the_same_are_made_at_the_first():
    """Both ends of this pattern are equally good splits, whatever order floats were added in."""
    for labels in ([0] * 20 + [1] * 60 + [0] * 20, [1] * 20 + [0] * 60 + [1] * 20):
        assert mdl_edges(sketch_of(np.arange(100), np.array(labels)), 2).tolist() == [20.0]


def test_no_data_is_allowed_where_it_is_said():
    state = DiscretizerCalibrator(5, 8, allow_empty_calibration=True).calibrate()
    ids, values = state.apply(np.array([3]), np.array([2.0]))
    assert ids.tolist() == [128 + 3]
    assert values.tolist() == [2.0]


def test_to_layer_and_save_need_a_calibration(tmp_path):
    calibrator = DiscretizerCalibrator(5, 8)
    for act in (calibrator.to_layer, lambda: calibrator.save(tmp_path / "s.json")):
        with pytest.raises(StateError, match="call calibrate"):
            act()


def contradictions():
    """(a header, columns) that fit their SHA-256 and nothing else."""
    collection = Collection(4)
    collection.add([1, 1, 1, 2], [1, 2, np.nan, 3])
    line, _, columns = collection.dumps()[:-32].partition(b"\n")
    header, data = json.loads(line), np.frombuffer(columns, "<i8")
    changes = {"capacity": ("x", 1, 4.0), "classes": (0, 2), "features": (None, 3, -1, 10**30)}
    changes |= {"buckets": (99,)}
    for name, values in changes.items():
        for value in values:
            yield header | {name: value}, data
    yield {k: v for k, v in header.items() if k != "buckets"}, data
    yield header, data[:-1]
    changed = {0: 2, 1: 0, 2: -1, 3: 64, 4: 3, 5: -1, 6: -5, 9: -(2**63), 11: -1, 12: 2**63 - 1}
    for at, value in changed.items():
        columns = data.copy()
        columns[at] = value
        yield header, columns


@pytest.mark.parametrize(("header", "data"), list(contradictions()))
def test_a_collection_that_contradicts_itself_is_refused(header, data, tmp_path):
    body = json.dumps(header, separators=(",", ":")).encode() + b"\n" + data.tobytes()
    (tmp_path / "c").write_bytes(body + hashlib.sha256(body).digest())
    with pytest.raises(StateError, match="c: its header and its columns contradict each other"):
        Collection.load(tmp_path / "c")
