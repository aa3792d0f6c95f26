"""Whole diffs. Each planted fault must be named by the check that is meant for it."""

import datetime as dt

import numpy as np
import pytest

from verify.diff import diff
from verify.policy import Policy
from verify.predictions import PredictionSet, load_predictions
from verify.report.to_json import to_json
from verify.verdict import Stage, Status

PASS, FAIL = Status.PASS, Status.FAIL
INCONCLUSIVE, NOT_COMPARABLE = Status.INCONCLUSIVE, Status.NOT_COMPARABLE
ROWS = 1000
IDS = np.arange(ROWS) * 7 + 3
RNG = np.random.default_rng(11)
SCORE = (1 / (1 + np.exp(-RNG.normal(-1, 1, ROWS)))).astype(np.float32)
LABEL = (RNG.random(ROWS) < SCORE).astype(np.float64)
NOISE = RNG.uniform(-1e-7, 1e-7, ROWS).astype(np.float32)
TODAY = dt.date(2026, 1, 1)


def predictions(score=SCORE, ids=IDS, **options):
    return PredictionSet.from_arrays({"score": score}, ids=ids, **options)


def changed(at, value):
    score = SCORE.copy()
    score[at] = value
    return predictions(score)


ORDER = RNG.permutation(ROWS)
SWAPPED = SCORE.copy()
SWAPPED[[3, 8]] = SCORE[[8, 3]]
WRONG = SCORE.copy()
WRONG[:: ROWS // 5] += 1e-4
EMPTY = predictions(SCORE[:0], IDS[:0])

CASES = {
    "same": (predictions(), PASS, None),
    "float32 noise": (predictions(SCORE + NOISE), PASS, None),
    "rows in another order": (predictions((SCORE + NOISE)[ORDER], IDS[ORDER]), PASS, None),
    "scores permuted": (predictions(SCORE[ORDER]), FAIL, Stage.VALUES),
    "shifted by one row": (predictions(np.roll(SCORE, 1)), FAIL, Stage.VALUES),
    "0.5 % wrong": (predictions(WRONG), FAIL, Stage.VALUES),
    "two swapped": (predictions(SWAPPED), FAIL, Stage.VALUES),
    "bias of 2 %": (predictions(SCORE * np.float32(1.02)), FAIL, Stage.VALUES),
    "NaN in v2": (changed(5, np.nan), FAIL, Stage.NONFINITE),
    "infinity in v2": (changed(5, np.inf), FAIL, Stage.NONFINITE),
    "float64": (predictions(SCORE.astype(np.float64)), FAIL, Stage.DTYPES),
    "vectors": (predictions(np.stack([SCORE, SCORE], 1)), NOT_COMPARABLE, Stage.SHAPES),
    "a row missing": (predictions(SCORE[1:], IDS[1:]), NOT_COMPARABLE, Stage.JOIN),
    "a row repeated": (
        predictions(np.append(SCORE, SCORE[:1]), np.append(IDS, IDS[:1])),
        NOT_COMPARABLE,
        Stage.JOIN,
    ),
    "other ids": (predictions(ids=IDS + 1), NOT_COMPARABLE, Stage.JOIN),
    "no ids": (predictions(ids=None), NOT_COMPARABLE, Stage.JOIN),
    "empty": (EMPTY, NOT_COMPARABLE, Stage.JOIN),
    "another column": (
        PredictionSet.from_arrays({"scores": SCORE}, ids=IDS),
        NOT_COMPARABLE,
        Stage.NAMES,
    ),
    "one more column": (
        PredictionSet.from_arrays({"score": SCORE, "b": SCORE}, ids=IDS),
        NOT_COMPARABLE,
        Stage.NAMES,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_right_stage_names_the_fault(name):
    v2, status, stage = CASES[name]
    verdict = diff(predictions(), v2, today=TODAY).verdict
    assert verdict.status is status, verdict.reason
    assert (verdict.decisive and verdict.decisive.stage) == stage


def test_nothing_against_nothing():
    assert diff(EMPTY, EMPTY).verdict.status is NOT_COMPARABLE
    assert diff(PredictionSet({}), PredictionSet({})).verdict.status is NOT_COMPARABLE


def test_nan_on_both_sides_is_no_agreement():
    both = changed(5, np.nan)
    verdict = diff(both, changed(5, np.nan)).verdict
    assert (verdict.status, verdict.decisive.stage) == (NOT_COMPARABLE, Stage.NONFINITE)
    nothing = predictions(np.full(ROWS, np.nan, np.float32))
    assert diff(nothing, nothing).verdict.status is NOT_COMPARABLE


def test_repeated_ids_on_both_sides_are_not_comparable():
    twice = predictions(np.append(SCORE, SCORE[:1]), np.append(IDS, IDS[:1]))
    assert diff(twice, twice).verdict.status is NOT_COMPARABLE


def test_the_tails_are_judged_in_logits():
    tiny = np.array([1e-6, 3e-7, 0.5], np.float32)
    off = predictions((tiny * np.array([1.5, 1, 1])).astype(np.float32), IDS[:3])
    verdict = diff(predictions(tiny, IDS[:3]), off).verdict
    assert (verdict.status, verdict.decisive.stage) == (FAIL, Stage.LOGITS)
    assert verdict.decisive.location == "id 3"


def test_the_worst_row_is_named_by_its_id():
    verdict = diff(predictions(), changed(123, 0.99)).verdict
    assert verdict.decisive.location == f"id {IDS[123]}"
    shuffled = changed(123, 0.99)
    shuffled = predictions(shuffled.columns["score"][ORDER], IDS[ORDER])
    assert diff(predictions(), shuffled).verdict.decisive.location == f"id {IDS[123]}"


def test_rows_with_other_labels_are_other_examples():
    v1, v2 = (predictions(ids=None, labels=labels) for labels in (LABEL, np.roll(LABEL, 1)))
    verdict = diff(v1, v2).verdict
    assert (verdict.status, verdict.decisive.stage) == (NOT_COMPARABLE, Stage.JOIN)
    assert verdict.decisive.name == "labels"
    assert diff(v1, v1).verdict.status is PASS


def test_position_join_says_so():
    report = diff(predictions(ids=None), predictions(ids=None))
    assert report.verdict.status is PASS
    assert any("by position" in check.detail for check in report.verdict.checks)


def test_columns_under_other_names():
    v2 = PredictionSet.from_arrays({"p": SCORE, "rest": SCORE}, ids=IDS)
    assert diff(predictions(), v2, columns={"score": "p"}).verdict.status is PASS
    wrong = diff(predictions(), v2, columns={"score": "q"}).verdict
    assert (wrong.status, wrong.decisive.stage) == (NOT_COMPARABLE, Stage.NAMES)
    assert "rest" in wrong.reason


@pytest.mark.parametrize(
    ("limits", "v2", "stage"),
    [
        ("ranking.kendall_tau: {min: 0.9999}", SWAPPED, Stage.RANKING),
        ("ranking.real_flips: {max: 0}", SWAPPED, Stage.RANKING),
        ("calibration.ratio_delta: {max: 0.01}", SCORE * np.float32(1.02), Stage.CALIBRATION),
        ("calibration.auc_delta: {min: -0.01}", SCORE[ORDER], Stage.CALIBRATION),
        ("values.bias_share: {max: 0.5}", SCORE + np.float32(1e-3), Stage.VALUES),
        ("distribution.wasserstein: {max: 1e-4}", SCORE + np.float32(1e-3), Stage.DISTRIBUTION),
    ],
)
def test_limits_catch_what_loose_tolerances_let_pass(tmp_path, limits, v2, stage):
    loose = "[{family: prediction, atol: 1.0, reason: t}, {family: logit, atol: 32, reason: t}]"
    if "real_flips" in limits or "kendall" in limits:
        loose = loose.replace("atol: 1.0", "atol: 1e-6, outliers: {share: 0.5, cap: 1}")
    path = tmp_path / "policy.yaml"
    path.write_text(f"version: 1\ntolerances: {loose}\nlimits:\n  {limits}\n")
    v1 = predictions(labels=LABEL)
    assert diff(v1, predictions(), Policy.load(path)).verdict.status is PASS
    verdict = diff(v1, predictions(v2), Policy.load(path)).verdict
    assert verdict.status is FAIL
    assert stage in {c.stage for c in verdict.checks if c.status is FAIL}
    assert verdict.decisive.stage is stage


def test_limit_without_labels_to_check_it_fails(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text("version: 1\nlimits:\n  calibration.auc_delta: {min: -0.01}\n")
    verdict = diff(predictions(), predictions(), Policy.load(path)).verdict
    assert (verdict.status, verdict.decisive.stage) == (FAIL, Stage.POLICY)


@pytest.mark.parametrize(
    ("rules", "v1", "v2", "status"),
    [
        ("dtypes_may_differ: true", predictions(), CASES["float64"][0], PASS),
        ("nonfinite: same_pattern", changed(5, np.nan), changed(5, np.nan), PASS),
        ("nonfinite: same_pattern", predictions(), changed(5, np.nan), FAIL),
        ("min_rows: 5000", predictions(), predictions(), INCONCLUSIVE),
    ],
)
def test_prediction_rules(tmp_path, rules, v1, v2, status):
    path = tmp_path / "policy.yaml"
    path.write_text(f"version: 1\npredictions: {{{rules}}}\n")
    assert diff(v1, v2, Policy.load(path)).verdict.status is status


def test_flips_within_requests_are_listed_by_request():
    groups = np.array([f"request {i // 10}" for i in range(ROWS)])
    v1 = predictions(groups=groups, labels=LABEL)
    report = diff(v1, predictions(SWAPPED))
    text = to_json(report)
    assert "Order within each request, the worst of 100" in text
    flips = next(c for c in report.verdict.checks if "real_flips" in c.detail)
    assert (flips.status, flips.location) == (FAIL, None)
    assert '"request 0"' in text


def test_probabilities_that_leave_their_range():
    v1 = predictions(np.array([0.5, 1.0], np.float32), IDS[:2])
    v2 = predictions(np.array([0.5, 1.000001], np.float32), IDS[:2])
    verdict = diff(v1, v2).verdict
    assert (verdict.status, verdict.decisive.stage) == (FAIL, Stage.LOGITS)


def test_integers_are_compared_exactly():
    v1 = PredictionSet.from_arrays({"bin": np.arange(9)})
    assert diff(v1, PredictionSet.from_arrays({"bin": np.arange(9)})).verdict.status is PASS
    off = np.arange(9)
    off[4] += 1
    assert diff(v1, PredictionSet.from_arrays({"bin": off})).verdict.status is FAIL


def test_v1_against_itself(golden):
    v1 = load_predictions(golden / "flights/v1_responses.lzo")
    names = ["prediction.score", "prediction.calibrated", "prediction.split_score"]
    named = load_predictions(golden / "flights/v1_responses.lzo", columns=names)
    assert diff(v1, named).verdict.status is PASS


def test_equal_input_gives_equal_reports():
    first, second = (to_json(diff(predictions(), changed(5, 0.9), today=TODAY)) for _ in range(2))
    assert first == second
