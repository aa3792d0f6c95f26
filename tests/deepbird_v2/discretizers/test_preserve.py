"""What preserving bins promises, clause by clause; the published fit must break the promises."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepbird_v2.discretizers import published
from deepbird_v2.discretizers.calibrator import DiscretizerCalibrator
from deepbird_v2.discretizers.drift import drift
from deepbird_v2.discretizers.errors import CalibrationDataError, StateError
from deepbird_v2.discretizers.file import dumps, loads
from deepbird_v2.discretizers.order import from_key, order_key
from deepbird_v2.discretizers.preserve import PreserveBinsDiscretizerCalibrator
from deepbird_v2.discretizers.published_fit import PublishedCalibrator
from deepbird_v2.discretizers.search import Search
from deepbird_v2.discretizers.state import Bins, Discretizer, Unknown, UnknownRule
from deepbird_v2.discretizers.warm_start import map_rows, warm_start

SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, 2.2e-308]
NUMBERS = st.one_of(
    st.sampled_from(SPECIAL), st.integers(-4, 4).map(float), st.floats(width=64), st.floats(-2, 2)
)
RECORDS = st.lists(
    st.tuples(st.sampled_from([-(2**63), -7, 3, 11, 2**62]), NUMBERS, st.sampled_from([1.0, 0.3])),
    min_size=1,
    max_size=80,
)
METHODS = st.sampled_from(["percentile", "hashing", "hashed-percentile", "mdl"])
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def columns(records):
    keys, values, weights = zip(*records, strict=True)
    return np.array(keys, np.int64), np.array(values), np.array(weights)


def collect(calibrator, records, batch=None):
    """Accumulate in batches; the label of a record is whether its value is positive."""
    keys, values, weights = columns(records)
    labels = (values > 0).astype(int)
    for start in range(0, len(keys), batch or len(keys)):
        part = slice(start, start + (batch or len(keys)))
        chosen = labels[part] if calibrator.collection.classes > 1 else None
        calibrator.accumulate(keys[part], values[part], weights[part], chosen)
    return calibrator


def fit(records, prior=None, refine=False, n_bin=5, out_bits=9, **options):
    calibrator = PreserveBinsDiscretizerCalibrator(
        n_bin, out_bits, prior=prior, refine=refine, **options
    )
    return collect(calibrator, records).calibrate()


def probes(state):
    """Every boundary of a state with its neighbours, and every special value."""
    edges = np.concatenate([b.edges for b in state.features] or [[]])
    beside = order_key(edges)[:, np.newaxis] + [-1, 0, 1]
    return np.concatenate([from_key(beside.ravel()), SPECIAL, np.linspace(-3, 3, 13)])


def answers(state, features, values):
    return [state.apply(np.full(len(values), f), values)[0].tolist() for f in features]


@FEW
@given(RECORDS, METHODS, st.randoms(use_true_random=False), st.integers(1, 7), st.integers(3, 40))
def test_g0_bytes_depend_on_the_multiset_alone(records, method, random, batch, capacity):
    options = {"method": method, "capacity": capacity}
    whole = collect(DiscretizerCalibrator(5, 9, **options), records)
    mixed = list(records)
    random.shuffle(mixed)
    half = len(mixed) // 2
    shards = [DiscretizerCalibrator(5, 9, **options) for _ in range(2)]
    for shard, part in zip(shards, (mixed[:half], mixed[half:]), strict=True):
        shard.collection.buffer = 3
        if part:
            collect(shard, part, batch)
    shards[1].merge(shards[0])
    assert shards[1].collection.dumps() == whole.collection.dumps()
    assert dumps(shards[1].calibrate()) == dumps(whole.calibrate())


@pytest.mark.parametrize("method", ["percentile", "hashing", "mdl"])
@pytest.mark.parametrize("capacity", [2, 5, 1024])
def test_g0_unequal_and_empty_shards_in_every_order(method, capacity):
    rng = np.random.default_rng(capacity)
    n = 400
    keys = rng.choice([-(2**63), 3, 11], n)
    values = np.where(rng.random(n) < 0.3, rng.choice(SPECIAL, n), rng.normal(size=n))
    values = np.where(keys == 11, 2.0**53, values)
    weights = rng.choice([0.0, 5e-324, 1e-7, 0.3, 1.0, 2.0**30], n)
    labels = rng.integers(0, 2, n)

    def calibrator(rows):
        made = DiscretizerCalibrator(7, 10, method=method, capacity=capacity)
        made.collection.buffer = 64
        for at in np.array_split(rows, 1 + len(rows) // 30):
            made.accumulate(
                keys[at], values[at], weights[at], labels[at] if method == "mdl" else None
            )
        return made

    whole = calibrator(np.arange(n))
    parts = np.split(rng.permutation(n), [1, 1, 90])
    found = set()
    for order in itertools.permutations(parts):
        merged = calibrator(np.zeros(0, np.int64))
        for part in order:
            merged.merge(calibrator(part))
        assert merged.collection.dumps() == whole.collection.dumps()
        found.add(dumps(merged.calibrate()))
    assert found == {dumps(whole.calibrate())}


def test_g0_in_another_process_with_another_hash_seed():
    program = (
        "from deepbird_v2.discretizers import DiscretizerCalibrator; import numpy as np;"
        "r = np.random.default_rng(5); c = DiscretizerCalibrator(7, 12, method='hashing');"
        "c.accumulate(r.integers(0, 40, 999), r.normal(size=999)); print(c.calibrate().fingerprint)"
    )
    found = {
        subprocess.check_output(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": seed}
        )
        for seed in ("1", "2")
    }
    assert len(found) == 1


@FEW
@given(RECORDS, RECORDS, METHODS, st.booleans())
def test_g1_g2_nothing_of_a_known_feature_moves(old_records, new_records, method, refine):
    old = fit(old_records, method=method)
    new = fit(new_records, old, refine, method=method)
    values = np.concatenate([probes(old), probes(new)])
    features = [b.feature for b in old.features]
    if not refine:
        assert answers(new, features, values) == answers(old, features, values)
        for before in old.features:
            after = new.by_id[before.feature]
            assert after.edges.tobytes() == before.edges.tobytes()
            assert after.ids.tobytes() == before.ids.tobytes()
    else:
        parent = {
            own: old_id
            for b in new.features
            for own, old_id in zip(b.ids.tolist(), b.parents.tolist(), strict=True)
            if old_id >= 0
        }
        for a, b in zip(
            answers(new, features, values), answers(old, features, values), strict=True
        ):
            assert [parent.get(i, i) for i in a] == b


@FEW
@given(RECORDS, RECORDS, METHODS, st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_g3_growth_is_append_only_and_other_keys_stay(old_records, new_records, method, others):
    old = fit(old_records, method=method)
    new = fit(new_records, old, method=method)
    taken = {i for b in old.features for i in b.ids.tolist()}
    added = [b for b in new.features if b.feature not in old.by_id]
    assert not taken & {i for b in added for i in b.ids.tolist()}
    if method in ("percentile", "mdl"):
        given_ids = [i for b in added for i in b.ids.tolist()]
        assert given_ids == list(range(old.next_id, old.next_id + len(given_ids)))
    keys = np.array([k for k in others if k not in new.by_id], np.int64)
    ones = np.ones(len(keys))
    np.testing.assert_array_equal(new.apply(keys, ones)[0], old.apply(keys, ones)[0])
    assert new.width == old.width


def test_g3_retired_features_keep_their_ids_and_come_back_whole():
    old = fit([(3, float(i), 1.0) for i in range(9)] + [(11, 1.0, 1.0)])
    gone = old.retired([3])
    again = fit([(3, 5.0, 1.0), (40, 2.0, 1.0)], gone)
    assert again.by_id[3].retired
    assert not set(again.by_id[3].ids.tolist()) & set(again.by_id[40].ids.tolist())
    keys = np.array([3])
    assert again.apply(keys, np.ones(1))[0] >= old.unknown.first
    back = again.retired([3], retired=False)
    values = probes(old)
    assert answers(back, [3, 11], values) == answers(old, [3, 11], values)


@FEW
@given(RECORDS, RECORDS, METHODS)
def test_g4_g7_the_model_is_unchanged_at_step_0(old_records, new_records, method):
    old = fit(old_records, method=method)
    new = fit(new_records, old, True, method=method)
    weights = np.random.default_rng(0).normal(size=(old.width, 3)).astype(np.float32)
    warmed, rows = warm_start(old, new, weights, initial=0.25)
    values = np.concatenate([probes(old), probes(new)])
    for before in old.features:
        keys = np.full(len(values), before.feature)
        then, now = weights[old.apply(keys, values)[0]], warmed[new.apply(keys, values)[0]]
        assert then.tobytes() == now.tobytes()
    fresh = [b for b in new.features if b.feature not in old.by_id]
    assert rows.counts["new"] == sum(len(b.ids) for b in fresh)
    assert rows.counts["dead"] == 0
    for b in fresh:
        assert (warmed[b.ids] == 0.25).all()
    span = slice(old.unknown.first, old.unknown.stop)
    assert warmed[span].tobytes() == weights[span].tobytes()


@FEW
@given(RECORDS, METHODS)
def test_g6_calibrating_again_gives_the_same_bytes(records, method):
    once = fit(records, method=method)
    assert dumps(fit(records, once, method=method)) == dumps(once)
    finer = fit(records, once, True, method=method)
    assert dumps(fit(records, finer, True, method=method)) == dumps(finer)
    assert dumps(loads(dumps(finer))) == dumps(finer)


def test_g3_a_feature_that_comes_back_finds_its_trained_rows():
    old = fit([(3, float(i), 1.0) for i in range(9)] + [(11, 1.0, 1.0)])
    weights = np.random.default_rng(0).normal(size=(old.width, 2))
    gone = old.retired([3])
    grown = fit([(40, 2.0, 1.0)], gone)
    back = grown.retired([3], retired=False)
    warmed = weights
    for before, after in itertools.pairwise((old, gone, grown, back)):
        warmed, rows = warm_start(before, after, warmed, initial=9.0)
        assert not len(rows.dead)
    values = probes(old)
    for feature in (3, 11):
        keys = np.full(len(values), feature)
        then, now = old.apply(keys, values)[0], back.apply(keys, values)[0]
        assert weights[then].tobytes() == warmed[now].tobytes()
    assert gone.normalized().retired([3], retired=False).apply(keys, values)[0].tolist() == (
        now.tolist()
    )


def test_g3_ids_that_bins_have_are_never_given_again():
    """Also where a state was made by hand and says nothing of the next id."""
    old = Discretizer(
        (Bins(1, np.array([0.5]), np.array([4, 0, 2])),), 8, Unknown(UnknownRule.MODULO, 128, 256)
    )
    assert old.next_id == 5
    new = fit([(2, 0.0, 1.0), (2, 1.0, 1.0)], old, out_bits=8)
    assert new.collisions() == []
    assert new.by_id[2].ids.min() == 5


def test_g6_parentage_and_refusals():
    old = fit([(3, 1.0, 1.0)])
    middle = fit([(11, 1.0, 1.0)], old)
    assert middle.parent == old.fingerprint
    assert fit([(12, 1.0, 1.0)], middle).lineage == (old.fingerprint, middle.fingerprint)
    assert (
        middle.retired([11]).lineage
        == middle.widened(12).lineage
        == (
            old.fingerprint,
            middle.fingerprint,
        )
    )
    for change, message in (
        ({"n_bin": 6}, "n_bin is 6, but the prior state's is 5"),
        ({"out_bits": 10}, "out_bits is 10"),
        ({"method": "mdl"}, "method is mdl"),
        ({"reserve": 17}, "reserve is 17, but the prior state's is 256"),
    ):
        with pytest.raises(StateError, match=message):
            fit([(3, 1.0, 1.0)], old, **change)


@FEW
@given(RECORDS, RECORDS, METHODS)
def test_g8_no_id_belongs_to_two(old_records, new_records, method):
    new = fit(new_records, fit(old_records, method=method), True, method=method)
    assert new.collisions() == []


@pytest.mark.parametrize("method", ["percentile", "hashing"])
def test_g8_ids_run_out_with_an_error_and_widening_moves_nothing(method):
    old = fit([(3, float(i), 1.0) for i in range(9)], out_bits=4, method=method)
    more = [(f, float(i), 1.0) for f in (4, 5) for i in range(9)]
    with pytest.raises(StateError, match=r"no ids are left.*state.widened\(5\)"):
        fit(more, old, out_bits=4, method=method)
    new = fit(more, old.widened(5), out_bits=5, method=method)
    assert new.collisions() == []
    values = probes(old)
    features = [3, 99, -(2**63)]
    assert answers(new, features, values) == answers(old, features, values)


def shuffled_fits(seed=0):
    rng = np.random.default_rng(seed)
    keys = rng.permutation(rng.integers(-(2**62), 2**62, 60)[rng.integers(0, 60, 3000)])
    values = rng.lognormal(size=len(keys)).astype(np.float32)
    for order in (np.arange(len(keys)), rng.permutation(len(keys))):
        yield keys[order], values[order]


def test_the_published_fit_breaks_the_promises():
    """The negative control: first-seen rows fail G0, G1 and G2 on shuffled records."""
    states = []
    for keys, values in shuffled_fits():
        calibrator = PublishedCalibrator(5, 12)
        for start in range(0, len(keys), 10):
            calibrator.accumulate(keys[start : start + 10], values[start : start + 10])
        states.append(calibrator.calibrate())
    keys, values = next(iter(shuffled_fits()))
    first, second = (state.apply(keys, values)[0] for state in states)
    assert dumps(states[0]) != dumps(states[1])
    assert (first == second).mean() < 0.1
    assert map_rows(*states).counts["kept"] > 200  # the bins are the same, under other ids


def test_the_same_shuffle_leaves_the_new_fit_alone():
    states = []
    for keys, values in shuffled_fits():
        calibrator = DiscretizerCalibrator(5, 12)
        for start in range(0, len(keys), 10):
            calibrator.accumulate(keys[start : start + 10], values[start : start + 10])
        states.append(dumps(calibrator.calibrate()))
    assert states[0] == states[1]


def test_an_import_of_the_published_layout_can_be_preserved_grown_and_refined():
    rng = np.random.default_rng(1)
    edges = np.sort(rng.normal(size=(4, 6)).astype(np.float32), axis=1)
    v1 = published.percentile(np.array([9, 2, 5, 7]), edges, 8)
    records = [(f, v, 1.0) for f in (2, 5, 6) for v in rng.normal(size=200)]
    with pytest.raises(StateError, match=r"prior.normalized\(\)"):
        fit(records, v1, True, out_bits=8)
    for refine, prior in ((False, v1.widened(9)), (True, v1.normalized().widened(9))):
        new = fit(records, prior, refine)
        values = np.concatenate([probes(v1), edges.ravel(), np.nextafter(edges, np.inf).ravel()])
        if refine:
            weights = rng.normal(size=(v1.width, 2))
            warmed, _ = warm_start(v1, new, weights)
            for feature in (9, 2, 5, 7):
                keys = np.full(len(values), feature)
                then, now = v1.apply(keys, values)[0], new.apply(keys, values)[0]
                np.testing.assert_array_equal(weights[then], warmed[now])
        else:
            features = [9, 2, 5, 7, 1000]
            assert answers(new, features, values) == answers(v1, features, values)


def test_drift_names_the_feature_whose_data_moved():
    rng = np.random.default_rng(2)
    keys = np.repeat([1, 2], 2000)
    calibrator = DiscretizerCalibrator(10, 9)
    calibrator.accumulate(keys, rng.normal(size=4000))
    state = calibrator.calibrate()
    later = DiscretizerCalibrator(10, 9)
    later.accumulate(keys, rng.normal(size=4000) + (keys == 2))
    worst, best = drift(state, later.collection)
    assert (worst.feature, best.feature) == (2, 1)
    assert worst.psi > 0.5 > 0.05 > best.psi


def published_priors(rng):
    """Every published layout, with ties, infinite edges, either type and hashes that collide."""
    ids = np.array([3, -7, 11])
    for edges in (
        np.sort(rng.normal(size=(3, 6)), axis=1),
        np.sort(rng.integers(-2, 3, (3, 6)), axis=1).astype(np.float32),
        np.sort(rng.choice([-np.inf, np.inf, 0.0, -0.0, 1e-45, 1.0], (3, 6)), axis=1),
    ):
        yield published.percentile(ids, edges, 9)
        yield published.mdl(ids, edges, 9)
        yield published.hashed_percentile(ids, edges, 9)
        for options in (0, 2, 4):
            yield published.hashing(ids, edges, 9, options)
        yield published.hashing(ids, edges, 3)


@pytest.mark.parametrize("refine", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_published_priors_over_generations_and_one_warm_start(seed, refine):
    """G2, G4, G7: four generations with a pause of one feature, then old weights in one step."""
    rng = np.random.default_rng(seed)
    for old in published_priors(rng):
        chain = [old.normalized() if refine and old.search is Search.BISECTION else old]
        chain.append(chain[0].widened(12))
        for generation in range(4):
            prior = chain[-1]
            if generation == 2:
                prior = prior.retired([3]).retired([3], retired=False)
            method = "percentile" if old.method == "mdl-percentile" else old.method
            calibrator = PreserveBinsDiscretizerCalibrator(
                5, 12, prior=prior, refine=refine, method=method, capacity=(4, 1024)[generation % 2]
            )
            n = 150
            values = np.where(
                rng.random(n) < 0.3, rng.choice([*SPECIAL, 1e300], n), rng.normal(size=n)
            )
            calibrator.accumulate(rng.choice([3, -7, 99, 2**62], n), values)
            chain.append(calibrator.calibrate())
        new = chain[-1]
        assert new.by_id[99].ids.min() >= 1 << old.output_bits
        weights = rng.normal(size=(old.width, 2)).astype(np.float32)
        at_once, _ = warm_start(old, new, weights, 9.0)
        by_step = weights
        for before, after in itertools.pairwise([old, *chain[1:]]):
            by_step, _ = warm_start(before, after, by_step, 9.0)
        values = probes(new)
        for bins in old.features:
            keys = np.full(len(values), bins.feature)
            then, now = old.apply(keys, values)[0], new.apply(keys, values)[0]
            assert refine or then.tolist() == now.tolist()
            assert weights[then].tobytes() == at_once[now].tobytes() == by_step[now].tobytes()
        assert new.shared_ids[1] <= old.shared_ids[1]
        assert new.shared_ids[0].items() <= old.shared_ids[0].items()


def test_what_was_called_mdl_is_preserved_as_the_percentiles_it_is():
    prior = published.mdl(np.array([3]), np.array([[0.0, 1.0, 2.0]]), 8).widened(9)
    new = fit([(4, 1.0, 1.0)], prior, n_bin=2)
    assert (new.method, set(new.by_id)) == ("mdl-percentile", {3, 4})
    with pytest.raises(StateError, match="method is mdl, but the prior state's is percentile"):
        fit([(4, 1.0, 1.0)], prior, n_bin=2, method="mdl")


def test_values_beyond_float32_make_infinite_edges_on_top_of_a_float32_prior():
    prior = published.percentile(np.array([3]), np.array([[0, 1, 2]], np.float32), 8).widened(9)
    new = fit([(4, v, 1.0) for v in (1e300, 2e300, -1e300, 0.0)], prior, n_bin=2)
    assert new.by_id[4].edges.tolist() == [-np.inf, np.inf]


@pytest.mark.parametrize("values", [[np.nan] * 20, [np.nan] * 5 + [1.0] * 5])
def test_weights_that_int64_cannot_add_are_refused(values):
    calibrator = DiscretizerCalibrator(5, 9)
    calibrator.accumulate([1] * len(values), values, [2.0**39] * len(values))
    with pytest.raises(CalibrationDataError, match="scale them down"):
        calibrator.calibrate()
