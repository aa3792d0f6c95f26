"""The parts of a replay by themselves: features, quality, misplaced answers, slices."""

import math
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepbird_v2.data import RecordBuffer, feature_id
from deepbird_v2.data.record import DataRecord, encode_record
from verify.compare.calibration import auc, quality
from verify.policy import Policy
from verify.tolerance import Tolerance
from verify.traffic import quality as traffic_quality
from verify.traffic import slices as traffic_slices
from verify.traffic.features import FeatureColumns
from verify.traffic.misplaced import misplaced
from verify.traffic.quality import FIGURES
from verify.traffic.slices import Slice, parse_slice, quoted_names
from verify.verdict import Status

TIGHT = Tolerance(atol=1e-6)


def margin_of(measure, output="s"):
    return Policy.load().margin(measure, output)


def quality_deltas(p, q, y, groups=None):
    return traffic_quality.quality_deltas(p, q, y, margin_of, groups)


def judge_slices(*given, **more):
    return traffic_slices.judge_slices(*given, partial(margin_of, "slice_shift"), **more)


def row_name(row):
    return f"row {row}"


def test_features_of_every_kind_become_columns(tmp_path):
    from deepbird_v2.data import write_records

    ids = {name: feature_id(name) for name in ("b", "c", "d", "s", "sb", "sc")}
    full = DataRecord(
        binary={ids["b"]},
        continuous={ids["c"]: 1.5},
        discrete={ids["d"]: -3},
        string={ids["s"]: "ü".encode()},
        sparse_binary={ids["sb"]: {b"x", b"y"}},
        sparse_continuous={ids["sc"]: {b"k": 0.25}},
    )
    other = DataRecord(continuous={ids["c"]: -0.0}, string={ids["s"]: b"z"}, discrete={ids["d"]: 8})
    records = [encode_record(r) for r in (DataRecord(), full, other, full)]
    write_records(tmp_path / "r.lzo", records)
    columns = FeatureColumns.find(tmp_path / "r.lzo", ids)
    found = {n: c.to_pylist() for n, c in columns.columns(RecordBuffer.join(records)).items()}
    assert found["b"] == [False, True, False, True]
    assert found["c"] == [None, 1.5, -0.0, 1.5]
    assert found["d"] == [None, -3, 8, -3]
    assert found["s"] == [None, "ü", "z", "ü"]
    assert [sorted(v) for v in found["sb"]] == [[], ["x", "y"], [], ["x", "y"]]
    assert found["sc"] == [[], [("k", 0.25)], [], [("k", 0.25)]]
    assert [name for name, _ in columns.schema] == list(columns.kinds)


def scores(rows=4000, seed=0):
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(-1, 1.5, rows)))
    return p, (rng.random(rows) < p).astype(float)


def test_quality_is_that_of_the_whole_and_equal_scores_do_not_differ():
    p, y = scores()
    shown = {d.name: d for d in quality_deltas(p, p, y)}
    whole = quality(p, y)
    expected = {
        "AUC": whole.auc, "log loss": whole.log_loss, "RCE": whole.rce, "ECE": whole.ece,
        "predicted/observed": whole.ratio,
    }  # fmt: skip
    assert {n: d.v1 for n, d in shown.items()} == pytest.approx(expected)
    for delta in shown.values():
        assert (delta.interval.low, delta.interval.high) == (0.0, 0.0)
        assert delta.status is Status.PASS


def test_intervals_cover_the_truth_as_often_as_they_say():
    """Against resamples of rows drawn one by one, the definition of the bootstrap."""
    p, y = scores(600)
    q = np.clip(p + np.random.default_rng(1).normal(0, 0.1, len(p)), 0, 1)
    found = {d.name: d.interval for d in quality_deltas(p, q, y)}
    rng, drawn = np.random.default_rng(2), []
    for _ in range(400):
        rows = rng.integers(0, len(p), len(p))
        a, b = quality(p[rows], y[rows]), quality(q[rows], y[rows])
        drawn.append((b.auc - a.auc, b.log_loss - a.log_loss, b.rce - a.rce, b.ratio / a.ratio - 1))
    names = ("AUC", "log loss", "RCE", "predicted/observed")
    for name, values in zip(names, np.transpose(drawn), strict=True):
        low, high = np.quantile(values, (0.025, 0.975))
        width = high - low
        assert found[name].low == pytest.approx(low, abs=0.2 * width), name
        assert found[name].high == pytest.approx(high, abs=0.2 * width), name


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda p, y: p * 1.02, "predicted/observed"),
        (lambda p, y: np.random.default_rng(3).permutation(p), "AUC"),
        (lambda p, y: np.clip(p + 0.1, 0, 1), "ECE"),
        (lambda p, y: np.clip(p + np.where(y > 0, -0.1, 0.1), 0, 1), "log loss"),
        (lambda p, y: np.clip(p + np.where(y > 0, -0.1, 0.1), 0, 1), "RCE"),
    ],
)
def test_each_figure_fails_for_its_own_fault(change, name):
    p, y = scores()
    delta = next(d for d in quality_deltas(p, change(p, y), y) if d.name == name)
    assert delta.status is Status.FAIL


def test_better_is_never_worse_and_few_requests_say_little():
    p, y = scores()
    better = quality_deltas(np.clip(p + np.where(y > 0, -0.1, 0.1), 0, 1), p, y)
    assert {d.name for d in better if d.status is Status.FAIL} <= {"predicted/observed"}
    q = np.clip(p + np.random.default_rng(1).normal(0, 0.03, len(p)), 0, 1)
    few = quality_deltas(p[:200], q[:200], y[:200])
    assert any(d.status is Status.INCONCLUSIVE for d in few)
    with pytest.raises(ValueError, match="20 requests or more, not 2"):
        quality_deltas(p, q, y, np.arange(len(p)) // 2000)


def test_one_class_has_no_auc():
    p, _ = scores(100)
    names = {d.name for d in quality_deltas(p, p, np.zeros(100))}
    assert names == {"ECE", "log loss"}
    assert math.isnan(auc(p, np.zeros(100)))
    assert set(FIGURES) > names


@given(st.integers(-8, 8).filter(bool), st.integers(0, 10_000))
def test_a_shift_is_seen_with_its_distance(by, seed):
    v1 = np.random.default_rng(seed).random(200)
    found = misplaced("s", v1, np.roll(v1, by), TIGHT, row_name)
    assert found.numbers["shift"] == by
    assert ("down" if by > 0 else "up") in found.detail


@given(st.lists(st.integers(0, 199), min_size=2, max_size=40, unique=True), st.integers(0, 99))
def test_exchanged_answers_are_seen(rows, seed):
    rng = np.random.default_rng(seed)
    v1 = rng.permutation(np.linspace(0.01, 0.99, 200))
    v2 = v1 + rng.uniform(-1e-7, 1e-7, 200)
    v2[rows] = v2[np.roll(rows, 1)]
    found = misplaced("s", v1, v2, TIGHT, row_name)
    assert found.numbers["exchanged"] == len(rows)
    assert f"row {min(rows)} holds the answer to row" in found.detail


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-5, 1e-2, 10.0])
@pytest.mark.parametrize("rows", [2, 300, 200_000])
def test_noise_is_no_exchange(noise, rows):
    rng = np.random.default_rng(1)
    v1 = rng.random(rows)
    assert misplaced("s", v1, v1 + rng.normal(0, noise, rows), TIGHT, row_name) is None


def store(path, rows=2000, beyond=(), shift=None, **features):
    v1 = np.random.default_rng(0).uniform(0.1, 0.9, rows)
    v2 = v1.copy()
    bad = np.zeros(rows, bool)
    bad[list(beyond)] = True
    v2 += np.where(bad, np.where(np.arange(rows) % 20 < 10, 0.1, -0.1), 0.0)
    if shift is not None:
        v2[shift] *= 1.05
    columns = {"row": np.arange(rows), "s.v1": v1, "s.v2": v2, "s.beyond": bad, **features}
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("beyond", "status"),
    [((), Status.PASS), (range(0, 2000, 10), Status.PASS), (range(40), Status.FAIL)],
)
def test_a_slice_fails_if_bad_answers_gather_in_it(tmp_path, beyond, status):
    part = np.arange(2000) < 200
    path = store(tmp_path / "c.parquet", beyond=beyond, part=part)
    (result,) = judge_slices(path, [Slice("part", "part")], ["s"])
    assert (result.status, result.rows) == (status, 200)
    assert result.beyond + result.beyond_outside == len(beyond)


def test_gathering_is_measured_by_the_hypergeometric_tail(tmp_path):
    stats = pytest.importorskip("scipy.stats")
    part = np.arange(2000) < 200
    path = store(tmp_path / "c.parquet", beyond=[*range(7), *range(500, 530)], part=part)
    (result,) = judge_slices(path, [Slice("part", "part")], ["s"])
    assert result.p_gathered == pytest.approx(stats.hypergeom.sf(6, 2000, 37, 200))


def test_false_alarms_are_few_over_many_slices(tmp_path):
    rng = np.random.default_rng(8)
    alarms = 0
    for seed in range(10):
        parts = {f"f{i}": rng.random(2000) < 0.1 for i in range(30)}
        beyond = np.random.default_rng(seed).choice(2000, 60, replace=False)
        path = store(tmp_path / "c.parquet", beyond=beyond, **parts)
        results = judge_slices(path, [Slice(name, name) for name in parts], ["s"])
        alarms += any(result.status is Status.FAIL for result in results)
    assert alarms <= 1


def test_a_slice_that_moved_as_a_whole(tmp_path):
    part = np.arange(2000) < 200
    path = store(tmp_path / "c.parquet", shift=part, part=part)
    moved, rest = judge_slices(path, [Slice("part", "part"), Slice("rest", "NOT part")], ["s"])
    assert (moved.slice.name, moved.status) == ("part", Status.FAIL)
    assert moved.shift == pytest.approx(0.05)
    assert rest.status is Status.PASS


@pytest.mark.parametrize(
    ("text", "name", "predicate"),
    [
        ("UA: \"carrier.code\" = 'UA'", "UA", "\"carrier.code\" = 'UA'"),
        ("long flights:x > 1", "long flights", "x > 1"),
        ("\"a\" = 'b:c'", "\"a\" = 'b:c'", "\"a\" = 'b:c'"),
        ("x::INT > 1", "x::INT > 1", "x::INT > 1"),
    ],
)
def test_slices_are_read(text, name, predicate):
    assert parse_slice(text) == Slice(name, predicate)


def test_quoted_names_leave_strings_alone():
    assert quoted_names('"a.b" = \'no "name"\' AND "c""d" > 1') == ("a.b", 'c"d')
