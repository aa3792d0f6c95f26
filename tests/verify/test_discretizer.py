"""The comparison of discretizers: identical passes, every planted fault fails and is named."""

from dataclasses import replace

import numpy as np
import pytest

from deepbird_v2.discretizers import (
    DiscretizerCalibrator,
    PreserveBinsDiscretizerCalibrator,
    PublishedCalibrator,
    published,
)
from deepbird_v2.discretizers.state import Bins
from verify.compare.discretizer import SPECIAL, psi
from verify.discretizer import compare_discretizers, verify_discretizer
from verify.report import write_report
from verify.report.heat_map import heat_map
from verify.report.to_console import to_console
from verify.report.tree import HeatMap
from verify.verdict import Status

NAMES = {3: "age", 8: "price", 2**63 - 1: "last"}


def calibrated(seed=0, kind=DiscretizerCalibrator, **options):
    rng = np.random.default_rng(seed)
    calibrator = kind(6, 9, names=NAMES, **options)
    calibrator.accumulate(np.repeat(list(NAMES), 300), rng.normal(size=900))
    return calibrator.calibrate()


def traffic(seed=1):
    rng = np.random.default_rng(seed)
    return np.repeat(list(NAMES), 100), rng.normal(size=300)


def changed(state, feature, **changes):
    return state.replace(
        features=tuple(replace(b, **changes) if b.feature == feature else b for b in state.features)
    )


def nudged(state, feature, at, direction):
    edges = state.by_id[feature].edges.copy()
    edges[at] = np.nextafter(edges[at], direction)
    return changed(state, feature, edges=edges)


def swapped(state, feature):
    ids = state.by_id[feature].ids.copy()
    ids[[1, 2]] = ids[[2, 1]]
    return changed(state, feature, ids=ids)


def nan_elsewhere(state, feature):
    ids = state.by_id[feature].ids.copy()
    ids[-1] = 200
    return changed(state, feature, ids=ids)


def without(state, feature):
    return state.replace(features=tuple(b for b in state.features if b.feature != feature))


STATE = calibrated()
EXTRA = Bins(99, np.array([0.5]), np.array([100, 101, 102]), "extra")
FAULTS = {
    "a boundary 1 ULP up": (nudged(STATE, 3, 2, np.inf), "age"),
    "a boundary 1 ULP down": (nudged(STATE, 8, 0, -np.inf), "price"),
    "the last feature's boundary": (nudged(STATE, 2**63 - 1, 4, np.inf), "last"),
    "two ids swapped": (swapped(STATE, 8), "price"),
    "NaN elsewhere": (nan_elsewhere(STATE, 3), "age"),
    "a feature dropped": (without(STATE, 8), "price"),
    "a feature retired": (STATE.retired([8]), "price"),
    "a feature added from nowhere": (STATE.replace(features=(*STATE.features, EXTRA)), "extra"),
    "compared in float32": (
        STATE.replace(
            float32=True,
            features=tuple(
                replace(b, edges=b.edges.astype(np.float32).astype(float)) for b in STATE.features
            ),
        ),
        "age",
    ),
}


@pytest.mark.parametrize(("new", "name"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("with_traffic", [False, True])
def test_every_fault_fails_and_its_feature_is_named(new, name, with_traffic):
    report = compare_discretizers(STATE, new, traffic() if with_traffic else None)
    assert report.verdict.status is Status.FAIL
    assert report.verdict.exit_code == 1
    failed = [c for c in report.verdict.checks if c.status is Status.FAIL]
    assert any(name in c.name for c in failed)
    innocent = set(NAMES.values()) - {name}
    if "float32" not in str(report.roles["v2"]):
        assert not [c for c in failed for other in innocent if f"({other})" in c.name]


def test_a_moved_boundary_is_one_value_by_name():
    report = compare_discretizers(STATE, nudged(STATE, 3, 2, np.inf))
    edge = STATE.by_id[3].edges[2]
    (check,) = [c for c in report.verdict.checks if "age" in c.name]
    assert check.detail == f"{edge!r}: id 3 → 2".replace("np.float64(", "").replace(")", "")
    assert check.location == repr(float(edge))


@pytest.mark.parametrize("recorded", [None, traffic()], ids=["alone", "with traffic"])
def test_identical_ones_pass(recorded, tmp_path):
    report = compare_discretizers(STATE, calibrated(), recorded)
    assert report.verdict.status is Status.PASS
    paths = write_report(report, tmp_path)
    assert paths["html"].read_text().count("<figure>") == len(NAMES)
    assert "0 off the diagonal" in paths["markdown"].read_text()
    assert "0 off the diagonal" in to_console(report, 200)


def test_traffic_of_none_of_the_features_decides_nothing():
    report = compare_discretizers(STATE, STATE, (np.array([5]), np.array([1.0])))
    assert report.verdict.status is Status.INCONCLUSIVE


def test_states_without_a_common_feature_are_not_compared():
    empty = STATE.replace(features=())
    assert compare_discretizers(empty, empty).verdict.status is Status.NOT_COMPARABLE


def grown(refine):
    rng = np.random.default_rng(5)
    calibrator = PreserveBinsDiscretizerCalibrator(6, 9, prior=STATE, refine=refine)
    calibrator.accumulate(np.repeat([3, 44], 500), rng.normal(size=1000) * 0.1)
    return calibrator.calibrate()


@pytest.mark.parametrize("refine", [False, True])
def test_what_grew_on_top_passes_and_says_so(refine):
    report = compare_discretizers(STATE, grown(refine), traffic())
    assert report.verdict.status is Status.PASS
    facts = report.sections[0].blocks[0].items
    assert facts["rows dead"] == 0
    assert facts["rows new"] == len(grown(refine).by_id[44].ids)
    assert (facts["rows split"] > 0) == refine
    orphan = grown(refine).replace(parent=None, ancestors=())
    assert compare_discretizers(STATE, orphan).verdict.status is Status.FAIL


def test_features_of_a_generation_between_pass():
    middle = grown(refine=False)
    calibrator = PreserveBinsDiscretizerCalibrator(6, 9, prior=middle)
    calibrator.accumulate([55] * 9, np.arange(9.0))
    latest = calibrator.calibrate()
    assert latest.parent == middle.fingerprint
    assert compare_discretizers(STATE, latest).verdict.status is Status.PASS


def test_the_published_fit_on_shuffled_records_fails():
    keys, values = traffic()
    states = []
    for order in (np.arange(300), np.random.default_rng(0).permutation(300)):
        calibrator = PublishedCalibrator(5, 9)
        for key, value in zip(keys[order], values[order], strict=True):
            calibrator.accumulate([key], [value])
        states.append(calibrator.calibrate())
    report = compare_discretizers(*states, (keys, values))
    assert report.verdict.status is Status.FAIL


def test_v1_against_its_float32_import(golden):
    source = golden / "flights" / "flights.t7"
    data = [golden / "flights" / "requests.lzo"]
    same = verify_discretizer(source, source, data)
    assert same.verdict.status is Status.PASS
    (checked,) = [c for c in same.verdict.checks if c.name == "traffic"]
    assert checked.numbers["n"] == 36916
    other = verify_discretizer(source, source, data, float32=True)
    assert other.verdict.status is Status.FAIL
    (speed,) = [c for c in other.verdict.checks if "weather.wind_speed" in c.name]
    assert "3.4523397684097294 to 3.452339999999999: id 211 → 212" in speed.detail


def test_psi_beside_its_baseline():
    rng = np.random.default_rng(0)
    p = np.full(10, 0.1)
    same = psi(rng.multinomial(1000, p), rng.multinomial(1000, p))
    assert (same.n, same.bins, same.smoothing) == (1000, 10, 0.5)
    assert same.value < 2 * same.baseline
    q = np.linspace(0.05, 0.15, 10)
    moved = psi(rng.multinomial(1000, p), rng.multinomial(1000, q / q.sum()))
    assert moved.value > 2 * moved.baseline
    by_hand = [(a + 0.5) / 8 for a in (1, 5)], [(a + 0.5) / 8 for a in (4, 2)]
    expected = sum((q - p) * np.log(q / p) for p, q in zip(*by_hand, strict=True))
    assert psi(np.array([1, 5]), np.array([4, 2])).value == pytest.approx(
        expected * 8 / 7, rel=1e-12
    )


def test_the_heat_map_marks_what_left_the_diagonal():
    svg = heat_map(HeatMap('a "<b>"', "new", "old", ((5, 1), (0, 7))))
    assert svg.count('class="cell off"') == 1
    assert svg.count('class="cell"') == 2
    assert "<b>" not in svg
    assert heat_map(HeatMap("", "", "", ())) == "<p>No values.</p>"


def test_the_heat_map_of_swapped_ids_leaves_the_diagonal():
    report = compare_discretizers(STATE, swapped(STATE, 8), traffic())
    maps = {block.title: block for block in report.sections[-1].blocks}
    off = {title: block.off_diagonal for title, block in maps.items()}
    values = traffic()[1][traffic()[0] == 8]
    ids = STATE.apply(np.full(len(values), 8), values)[0]
    moved = int(np.isin(ids, STATE.by_id[8].ids[1:3]).sum())
    assert sorted(off.values()) == [0, 0, moved]
    assert off["feature 8 (price): recorded values"] == moved


def test_every_special_value_is_asked():
    assert len(SPECIAL) == 9
    report = compare_discretizers(STATE, nan_elsewhere(STATE, 3))
    (check,) = [c for c in report.verdict.checks if "age" in c.name]
    assert "special values moved: NaN" in check.detail


def test_a_state_that_lies_about_descent_fails():
    """Swapped ids stay swapped, whichever bin the state says that they were split from."""
    ids = STATE.by_id[8].ids
    parents = np.full(len(ids), -1)
    parents[[1, 2]] = ids[[1, 2]]
    report = compare_discretizers(STATE, changed(swapped(STATE, 8), 8, parents=parents))
    assert report.verdict.status is Status.FAIL
    assert any("price" in c.name for c in report.verdict.checks if c.status is Status.FAIL)


@pytest.mark.parametrize("direction", [-np.inf, np.inf])
def test_a_boundary_moved_between_a_bin_and_the_one_split_from_it_fails(direction):
    before = grown(refine=True)
    child = int(np.flatnonzero(before.by_id[3].parents >= 0)[0])
    report = compare_discretizers(before, nudged(before, 3, child - 1, direction))
    assert report.verdict.status is Status.FAIL
    assert compare_discretizers(before, before).verdict.status is Status.PASS


@pytest.mark.parametrize("refine", [False, True])
def test_splits_over_several_generations_pass(refine):
    state = STATE
    for seed in range(3):
        calibrator = PreserveBinsDiscretizerCalibrator(6, 9, prior=state, refine=refine)
        calibrator.accumulate([3] * 400, np.random.default_rng(seed).normal(size=400) * 0.1**seed)
        state = calibrator.calibrate()
    assert compare_discretizers(STATE, state, traffic()).verdict.status is Status.PASS
    assert (len(state.by_id[3].ids) > len(STATE.by_id[3].ids)) == refine


def test_inherited_collisions_pass_and_new_ones_are_named():
    edges = np.array([[0.0, 1.0, 1.0, 1.0, 2.0]] * 2)
    v1 = published.hashed_percentile(np.array([3, 8]), edges, 4)
    assert v1.collisions()
    report = compare_discretizers(v1, v1.normalized())
    assert report.verdict.status is Status.PASS
    worse = nan_elsewhere(STATE, 3)
    worse = changed(worse, 8, ids=np.append(worse.by_id[8].ids[:-1], 0))
    report = compare_discretizers(STATE, worse)
    (check,) = [c for c in report.verdict.checks if c.name == "collisions"]
    assert check.status is Status.FAIL
    assert "id 0 belongs to 2 bins" in check.detail


def test_every_range_that_moves_is_listed_with_its_recorded_values():
    edge = float(STATE.by_id[3].edges[2])
    below = float(np.nextafter(edge, -np.inf))
    new = nudged(STATE, 3, 2, -np.inf)
    recorded = np.array([3, 3, 3, 8]), np.array([below, below, edge, below])
    report = compare_discretizers(STATE, new, recorded)
    (section,) = [s for s in report.sections if s.title == "Values that move"]
    assert section.blocks[0].rows == (("feature 3 (age)", repr(below), repr(below), 2, 3, 2),)
    titles = [s.title for s in compare_discretizers(STATE, STATE).sections]
    assert "Values that move" not in titles
