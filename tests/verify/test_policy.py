"""Policies: which rule applies, what a bad file says, and that nothing in one may lie idle."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from verify.policy import Policy, PolicyError
from verify.policy_schema import MEASURES
from verify.tolerance import OracleNeededError, Tolerance
from verify.verdict import Status

TODAY = dt.date(2026, 6, 1)


def write(tmp_path, text):
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    return path


OVERRIDE = """\
version: 1
overrides:
  - {family: linear, output: "3.*", atol: 1e-3, reason: known, expires: 2026-06-30}
"""


@pytest.mark.parametrize(
    ("dtype", "family", "output", "rule"),
    [
        ("float32", "linear", "1", "|d| ≤ 1e-06 + 1e-05·|v1|"),
        (np.float64, "", "", "|d| ≤ 1e-12 + 1e-12·|v1|"),
        ("float64", "prediction", "prediction.score", "|d| ≤ 2e-06"),
        ("float64", "prediction", "prediction.calibrated", "|d| ≤ 5e-06"),
        ("int64", "lookup", "1", "equal"),
        ("bool", "", "", "equal"),
    ],
)
def test_packaged_policy(dtype, family, output, rule):
    tolerance = Policy.load().tolerance(dtype=dtype, family=family, output=output)
    assert tolerance.describe() == rule
    assert tolerance.reason


def test_packaged_policy_has_nothing_to_complain_about():
    policy = Policy.load()
    assert policy.unused() == ()
    assert [check.status for check in policy.checks(TODAY)] == [Status.PASS]


def test_override_comes_first_and_must_be_used(tmp_path):
    policy = Policy.load(write(tmp_path, OVERRIDE))
    assert policy.unused() == ("override */linear/3.*",)
    assert [check.status for check in policy.checks(TODAY)] == [Status.FAIL]
    assert policy.tolerance(dtype="float32", family="linear", output="3.Linear").atol == 1e-3
    assert policy.tolerance(dtype="float32", family="linear", output="4.Linear").atol == 1e-6
    assert policy.unused() == ()
    assert [check.status for check in policy.checks(TODAY)] == [Status.PASS]


@pytest.mark.parametrize(("day", "expired"), [(30, False), (31, True)])
def test_override_expires_after_its_last_day(tmp_path, day, expired):
    policy = Policy.load(write(tmp_path, OVERRIDE.replace("06-30", "07-30")))
    policy.tolerance(dtype="float32", family="linear", output="3.Linear")
    (check,) = policy.checks(dt.date(2026, 7, day))
    assert (check.status is Status.FAIL) == expired
    assert ("expired" in check.detail) == expired


def test_limit_nobody_checked_fails(tmp_path):
    policy = Policy.load(
        write(tmp_path, "version: 1\nlimits:\n  ranking.kendall_tau: {min: 0.9}\n")
    )
    assert policy.unused() == ("limit ranking.kendall_tau",)
    limit = policy.limit("ranking.kendall_tau")
    assert limit.holds(0.9)
    assert not limit.holds(0.89)
    assert not limit.holds(float("nan"))
    assert policy.unused() == ()


MARGINS = """\
version: 1
margins:
  - {measure: auc, output: "*calibrated", by: 0.01, reason: t}
  - {measure: slice_shift, by: 0.02, reason: t}
"""


def test_margins_of_a_file_come_first_and_must_be_used(tmp_path):
    policy = Policy.load(write(tmp_path, MARGINS))
    assert policy.margin("auc", "prediction.calibrated") == 0.01
    assert policy.margin("auc", "prediction.score") == Policy.load().margin("auc", "x") == 0.0005
    assert policy.unused() == ("margin slice_shift of *",)
    assert policy.margin("slice_shift", "prediction.score") == 0.02
    assert policy.unused() == ()


@pytest.mark.parametrize("measure", MEASURES)
def test_the_packaged_policy_has_every_margin(measure):
    assert Policy.load().margin(measure, "anything") > 0.0


def test_there_is_no_margin_of_anything_else():
    with pytest.raises(PolicyError, match="no margin of accuracy for output 'x'"):
        Policy.load().margin("accuracy", "x")


MARGIN = "{measure: auc, by: 1, reason: x}"
TWICE = f"version: 1\nmargins: [{MARGIN}, {MARGIN}]\n"


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", ":1:", "policy"),
        ("version: 2\n", ":1:", "version"),
        ("version: 1\ntolerances:\n  - {atol: -1, reason: x}\n", ":3:", "atol"),
        ("version: 1\ntolerances:\n  - {atol: 1}\n", ":3:", "reason"),
        ("version: 1\noverrides:\n  - {atol: 1, reason: x}\n", ":3:", "expires"),
        ("version: 1\ntolerances:\n\n  - atol: .nan\n    reason: x\n", ":4:", "atol"),
        ("version: 1\ntolerances:\n  - {ulp: 2, rtol: 1, reason: x}\n", ":3:", "ulp excludes"),
        ("version: 1\nlimits:\n  ranking.kendal_tau: {min: 1}\n", "", "did you mean"),
        ("version: 1\nlimits:\n  ranking.kendall_tau: {}\n", ":3:", "min or max"),
        ("version: 1\nmargins:\n  - {measure: auk, by: 1, reason: x}\n", ":3:", "mean 'auc'"),
        ("version: 1\nmargins:\n  - {measure: auc, by: -1, reason: x}\n", ":3:", "by"),
        ("version: 1\nmargins:\n  - {measure: auc, by: .inf, reason: x}\n", ":3:", "by"),
        ("version: 1\nmargins:\n  - {measure: auc, by: 1}\n", ":3:", "reason"),
        (TWICE, "", "auc of * is stated twice"),
        ("version: 1\nversion: 1\n", "line 2", "twice"),
        ("version: [1\n", "line 2", ""),
        ("version: 1\nsurprise: 1\n", ":2:", "surprise"),
        ("a: !!python/object:os.system x\n", "line 1", ""),
    ],
)
def test_bad_files_say_where(tmp_path, text, where, what):
    path = write(tmp_path, text)
    with pytest.raises(PolicyError) as error:
        Policy.load(path)
    assert str(path) in str(error.value)
    assert where in str(error.value)
    assert what in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(PolicyError, match="cannot read"):
        Policy.load(tmp_path / "none.yaml")


def test_unknown_dtype_has_no_rule():
    with pytest.raises(PolicyError, match="no tolerance for dtype complex64"):
        Policy.load().tolerance(dtype="complex64")


FINITE = hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(-1e6, 1e6))


@settings(deadline=None)
@given(FINITE, st.floats(0, 1), st.floats(0, 1), st.floats(-2, 2))
def test_bound_rule_is_the_formula(ref, atol, rtol, step):
    got = ref + step
    result = Tolerance(atol=atol, rtol=rtol).check(ref, got)
    holds = np.abs(got - ref) <= atol + rtol * np.abs(ref)
    assert result.values_passed == holds.all()
    assert result.mismatched == np.count_nonzero(~holds)


@settings(deadline=None)
@given(FINITE, st.floats(-2, 2))
def test_needed_atol_is_the_smallest_that_passes(ref, step):
    got = ref + step
    needed = Tolerance(rtol=1e-3).check(ref, got).needed_atol
    assert Tolerance(atol=needed * (1 + 1e-9) + 1e-12, rtol=1e-3).check(ref, got).passed
    if needed > 1e-9:
        assert not Tolerance(atol=needed * 0.999, rtol=1e-3).check(ref, got).passed


@pytest.mark.parametrize(("steps", "passed"), [(0, True), (3, True), (4, False)])
def test_ulp_rule_counts_steps(steps, passed):
    ref = np.array([1.0, -3.5, 1e-30, -0.0], np.float32)
    got = ref.copy()
    for _ in range(steps):
        got = np.nextafter(got, np.float32(np.inf))
    assert Tolerance(ulp=3).check(ref, got).passed == passed


def test_calibrated_rule_takes_its_scale_from_v1():
    oracle = np.linspace(0, 1, 7)
    v1 = oracle + 1e-7
    rule = Tolerance(k=4.0, floor=1e-8)
    assert rule.check(v1, oracle - 4e-7, oracle).passed
    assert not rule.check(v1, oracle - 5e-7, oracle).passed
    with pytest.raises(OracleNeededError):
        rule.check(v1, v1)


@pytest.mark.parametrize(
    ("wrong", "size", "passed"), [(1, 0.5, True), (2, 0.5, False), (1, 2.0, False)]
)
def test_outlier_budget_has_a_hard_cap(wrong, size, passed):
    ref = np.zeros(100)
    got = ref.copy()
    got[:wrong] = size
    rule = Tolerance(atol=1e-6, outlier_share=0.01, outlier_cap=1.0)
    assert rule.check(ref, got).passed == passed


def test_the_example_of_the_guide_is_a_policy(tmp_path):
    guide = Path(__file__).parents[2] / "docs/verification.md"
    text = guide.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    policy = Policy.load(write(tmp_path, text))
    assert len(policy.unused()) == 4
    assert policy.tolerance(dtype="float32", family="linear", output="3.Linear").atol == 1e-6
