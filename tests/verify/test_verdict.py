"""One table of rules: what a set of checks adds up to."""

import pytest

from verify.verdict import Check, Stage, Status, Verdict

PASS, FAIL = Status.PASS, Status.FAIL
INCONCLUSIVE, NOT_COMPARABLE = Status.INCONCLUSIVE, Status.NOT_COMPARABLE


def check(stage, status, name="x"):
    return Check(name, stage, status, "detail")


@pytest.mark.parametrize(
    ("checks", "status"),
    [
        ([], NOT_COMPARABLE),
        ([(Stage.NAMES, PASS)], NOT_COMPARABLE),
        ([(Stage.NAMES, PASS), (Stage.JOIN, PASS), (Stage.NONFINITE, PASS)], NOT_COMPARABLE),
        ([(Stage.DISTRIBUTION, PASS)], NOT_COMPARABLE),
        ([(Stage.NOISE, PASS), (Stage.POLICY, PASS)], NOT_COMPARABLE),
        ([(Stage.VALUES, PASS)], PASS),
        ([(Stage.VALUES, PASS), (Stage.DISTRIBUTION, FAIL)], FAIL),
        ([(Stage.VALUES, PASS), (Stage.POLICY, FAIL)], FAIL),
        ([(Stage.VALUES, INCONCLUSIVE), (Stage.LOGITS, PASS)], INCONCLUSIVE),
        ([(Stage.VALUES, INCONCLUSIVE), (Stage.JOIN, NOT_COMPARABLE)], NOT_COMPARABLE),
        ([(Stage.VALUES, FAIL), (Stage.JOIN, NOT_COMPARABLE)], FAIL),
        ([(Stage.LATENCY, PASS)], PASS),
    ],
)
def test_rules(checks, status):
    assert Verdict.combine(check(*item) for item in checks).status is status


def test_the_first_failing_stage_is_named_whatever_the_order():
    later, first = check(Stage.RANKING, FAIL, "late"), check(Stage.VALUES, FAIL, "early")
    verdict = Verdict.combine([later, check(Stage.NAMES, PASS), first])
    assert verdict.decisive is first
    assert verdict.reason.startswith("values: early")
    assert [c.stage for c in verdict.checks] == [Stage.NAMES, Stage.VALUES, Stage.RANKING]


@pytest.mark.parametrize(
    ("status", "code"), [(PASS, 0), (FAIL, 1), (INCONCLUSIVE, 3), (NOT_COMPARABLE, 4)]
)
def test_exit_codes(status, code):
    assert status.exit_code == code
    assert Verdict.combine([check(Stage.VALUES, status)]).exit_code == code
