"""The comparison of calibration maps: equal ones pass, one moved point fails and is named."""

import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from deepbird_cli.main import app
from deepbird_v2.calibration.file import save
from deepbird_v2.calibration.isotonic import CalibrationError, interpolate
from migrate.isotonic import load_isotonic
from verify.compare.isotonic import gaps, probes
from verify.isotonic import compare_maps
from verify.save_predictions import save_predictions
from verify.verdict import Status


@pytest.fixture(scope="module")
def v1(golden):
    return load_isotonic(golden / "flights" / "flights.t7")


def changed(points, side, at, value):
    columns = [column.copy() for column in points]
    columns[side][at] = value
    return tuple(columns)


def check(report, name):
    return next(c for c in report.verdict.checks if (c.name, c.stage) == (name, "calibration"))


def test_identical_maps_pass(v1):
    report = compare_maps(v1, tuple(side.copy() for side in v1), scores=np.linspace(-1, 2, 101))
    assert report.verdict.status is Status.PASS
    assert len(report.verdict.checks) == 5
    assert check(report, "recorded scores").numbers["moved"] == 0


@st.composite
def maps(draw, dtype=np.float64):
    """Ascending points, some of them with one score, some with one probability."""
    pair = st.tuples(st.integers(-4, 12), st.integers(0, 8))
    points = draw(st.lists(pair, min_size=1, max_size=10))
    xs, ys = (np.sort(np.array(side, dtype)) / dtype(8) for side in zip(*points, strict=True))
    return xs, ys


@settings(deadline=None)
@given(maps(), st.integers(0, 1), st.data())
def test_one_ulp_at_one_point_fails_and_is_named(points, side, data):
    at = data.draw(st.integers(0, len(points[0]) - 1))
    moved = changed(points, side, at, np.nextafter(points[side][at], np.inf))
    assume((np.diff(moved[side]) >= 0).all())
    report = compare_maps(points, moved)
    assert report.verdict.status is Status.FAIL
    assert report.verdict.decisive.location == f"point {at}"
    assert "(1 ULP)" in report.verdict.reason
    assert compare_maps(points, points).verdict.status is Status.PASS
    # the same map but for rounding, unless scores that were equal no longer are
    if side == 1 or len(np.unique(moved[0])) == len(np.unique(points[0])):
        assert compare_maps(points, moved, tolerance=1e-9).verdict.status is Status.PASS


@settings(deadline=None)
@given(st.one_of(st.tuples(maps(), maps()), st.tuples(maps(), maps(np.float32))), st.data())
def test_no_score_moves_more_than_the_probes_say(sides, data):
    old, new = sides
    least = np.abs(gaps(probes(old, new), old, new)).max()
    anywhere = np.array(data.draw(st.lists(st.floats(-2, 3), min_size=1, max_size=20)))
    # asked as float32, a score is one that the narrower side tells from its neighbours
    anywhere = anywhere.astype(np.float32).astype(np.float64)
    assert np.abs(gaps(anywhere, old, new)).max() <= least + 1e-6


def test_a_jump_between_points_of_one_score_is_seen():
    """Left and right of the jump the maps agree; on it they do not."""
    old = np.array([0.0, 0.5, 0.5, 1.0]), np.array([0.0, 0.2, 0.8, 1.0])
    new = np.array([0.0, 0.5, 0.5, 1.0]), np.array([0.0, 0.2, 0.4, 1.0])
    report = compare_maps(old, new, tolerance=0.3)
    assert report.verdict.status is Status.FAIL
    found = check(report, "every score")
    assert found.numbers["max_abs"] == pytest.approx(0.4)
    assert float(found.location.removeprefix("score ")) == pytest.approx(0.5)


def test_a_float32_map_differs_within_its_rounding(v1):
    narrow = tuple(column.astype(np.float32) for column in v1)
    report = compare_maps(v1, narrow)
    assert report.verdict.status is Status.FAIL
    assert report.verdict.decisive.detail == "float64 in v1, float32 in v2"
    assert compare_maps(v1, narrow, tolerance=1e-6).verdict.status is Status.PASS


def test_a_point_more_is_named_though_it_changes_nothing():
    """Between (0, 0) and (1, 1) a point on the line is another map only by its points."""
    line = np.array([0.0, 1.0]), np.array([0.0, 1.0])
    more = np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.5, 1.0])
    report = compare_maps(line, more)
    assert report.verdict.status is Status.FAIL
    assert "2 in v1, 3 in v2; the first to differ is point 1" in report.verdict.reason
    assert check(report, "every score").numbers["max_abs"] == 0.0
    assert compare_maps(line, more, tolerance=1e-12).verdict.status is Status.PASS


def test_ends_and_special_values(v1):
    lower = changed(v1, 1, 0, v1[1][0] - 0.1)
    report = compare_maps(v1, lower, scores=np.zeros(0))
    special = check(report, "special values")
    assert "NaN" in special.detail
    assert "-Inf" in special.detail
    assert check(report, "recorded scores").status is Status.INCONCLUSIVE


def test_the_share_of_scores_that_move_and_the_reliability_of_both(v1):
    rng = np.random.default_rng(0)
    scores = rng.random(4000)
    labels = (rng.random(4000) < interpolate(scores, *v1)).astype(float)
    half = changed(v1, 1, slice(20, None), np.minimum(1, v1[1][20:] * 1.02))
    report = compare_maps(v1, half, scores=scores, labels=labels)
    expected = float(np.mean(interpolate(scores, *v1) != interpolate(scores, *half)))
    assert 0.1 < expected < 0.9
    section = next(s for s in report.sections if s.title == "Recorded scores")
    facts, figures, bins = section.blocks
    assert facts.items["that move, %"] == pytest.approx(100 * expected)
    ratios = {row[0]: row[1:] for row in figures.rows}["predicted over observed"]
    assert ratios[1] > ratios[0]
    assert sum(row[1] for row in bins.rows) == 4000
    unlabelled = compare_maps(v1, half, scores=scores)
    assert len(next(s for s in unlabelled.sections if s.title == "Recorded scores").blocks) == 1


@pytest.mark.parametrize("tolerance", [-1.0, float("nan"), float("inf")])
def test_refuses_a_tolerance_that_is_none(v1, tolerance):
    with pytest.raises(ValueError, match="a tolerance must be"):
        compare_maps(v1, v1, tolerance=tolerance)


def test_refuses_what_is_no_map(v1):
    with pytest.raises(CalibrationError, match="ys descends"):
        compare_maps(v1, (v1[0], v1[1][::-1]))


def run(*arguments):
    return CliRunner().invoke(app, ["verify", "isotonic", *map(str, arguments)])


@pytest.fixture(scope="module")
def files(v1, tmp_path_factory):
    """Map files, and recorded scores with and without labels."""
    folder = tmp_path_factory.mktemp("maps")
    moved = changed(v1, 1, 21, np.nextafter(v1[1][21], np.inf))
    save(*v1, folder / "same.json")
    save(*moved, folder / "ulp.json")
    scores = np.linspace(0, 1, 200)
    save_predictions(folder / "one.parquet", {"score": scores})
    save_predictions(folder / "two.csv", {"score": scores, "other": scores})
    np.savez(folder / "wide.npz", score=np.zeros((5, 2)))
    save_predictions(folder / "labelled.parquet", {"score": scores, "label": scores.round()})
    return folder


@pytest.mark.parametrize(
    ("new", "options", "code"),
    [("same.json", (), 0), ("ulp.json", (), 1), ("ulp.json", ("--tolerance", "1e-9"), 0)],
)
def test_the_command_ends_with_the_verdict(golden, files, tmp_path, new, options, code):
    data = ("--data", files / "labelled.parquet", "--data", files / "labelled.parquet")
    t7 = golden / "flights" / "flights.t7"
    done = run(t7, files / new, *data, *options, "--report", tmp_path, "--json")
    assert done.exit_code == code, done.output
    report = json.loads(done.output)
    checks = {(c["stage"], c["name"]): c for c in report["verdict"]["checks"]}
    assert checks["calibration", "recorded scores"]["numbers"]["n"] == 400
    assert [s["title"] for s in report["sections"]] == ["Maps", "Points", "Recorded scores"]
    if code:
        assert report["verdict"]["decisive"]["location"] == "point 21"
    page = (tmp_path / "report.html").read_text()
    assert page.count("<polyline") == (2 if new == "same.json" else 3)


@pytest.mark.parametrize(
    ("data", "column", "message"),
    [
        ("two.csv", None, "say with --column"),
        ("two.csv", "scor", "did you mean 'score'"),
        ("wide.npz", "score", "more than a score a row"),
        ("wide.npz", None, "0 columns hold a number a row"),
        ("none.csv", None, "none.csv"),
    ],
)
def test_scores_that_cannot_be_used_are_named(golden, files, data, column, message):
    t7 = golden / "flights" / "flights.t7"
    options = ("--column", column) if column else ()
    done = run(t7, t7, "--data", files / data, *options)
    assert message in str(done.exception)


def test_a_column_is_chosen_by_name(golden, files):
    t7 = golden / "flights" / "flights.t7"
    done = run(t7, t7, "--data", files / "two.csv", "--column", "other")
    assert done.exit_code == 0, done.output
