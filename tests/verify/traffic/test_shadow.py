"""Live mirroring: v1 answers whatever v2 does, and only matching answers count for v2."""

import itertools

import numpy as np
import pytest

from verify.report.to_html import to_html
from verify.traffic.shadow import EXAMPLES, Shadow
from verify.verdict import Status


def v1(record):
    return {"score": record[0] / 256}


def failing(record):
    raise TimeoutError("no route")


def shadow(v2, rate=0.05, **options):
    return Shadow(v1, v2, ["score"], allowed_rate=rate, **options)


def run(mirror, requests=300):
    for i in range(requests):
        record = bytes([i % 256])
        assert mirror(record) == v1(record)
    return mirror.report()


@pytest.mark.parametrize(
    ("v2", "bucket"),
    [
        (failing, "TimeoutError"),
        (lambda record: {}, "no answer"),
        (lambda record: {"score": float("nan")}, "beyond tolerance"),
        (lambda record: {"score": record[0] / 256 + 1e-4}, "beyond tolerance"),
    ],
)
def test_a_bad_v2_fails_and_is_left_alone(v2, bucket):
    mirror = shadow(v2)
    report = run(mirror)
    assert report.verdict.status is Status.FAIL
    assert list(mirror.buckets) == [bucket]
    assert not mirror.active
    assert mirror.buckets[bucket].count < 20
    assert len(mirror.buckets[bucket].examples) <= EXAMPLES
    assert bucket in to_html(report)


def test_a_good_v2_passes_once_enough_was_seen():
    mirror = shadow(lambda record: {"score": record[0] / 256 + 1e-7})
    assert mirror.report().verdict.status is Status.INCONCLUSIVE
    assert run(mirror).verdict.status is Status.PASS
    assert mirror.buckets == {}


def test_an_answer_after_the_deadline_does_not_match():
    ticks = itertools.count()
    mirror = shadow(v1, deadline=0.5, clock=lambda: next(ticks))
    assert run(mirror).verdict.status is Status.FAIL
    assert list(mirror.buckets) == ["too late"]


def test_both_come_first_about_equally_often():
    asked = []
    mirror = Shadow(
        lambda record: asked.append("v1") or v1(record),
        lambda record: asked.append("v2") or v1(record),
        ["score"],
        allowed_rate=0.05,
    )
    run(mirror, 200)
    first = asked[::2]
    assert 60 < first.count("v2") < 140
    assert asked.count("v1") == asked.count("v2") == 200


def test_an_error_of_v1_is_the_callers_and_counts_for_nobody():
    mirror = Shadow(failing, v1, ["score"], allowed_rate=0.05)
    with pytest.raises(TimeoutError):
        mirror(b"\1")
    assert mirror.report().sections[0].blocks[0].items["answers"] == 0


def test_rare_faults_within_the_allowed_rate_rarely_fail():
    alarms = 0
    for seed in range(40):
        bad = np.random.default_rng(seed).random(400) < 0.02
        turn = iter(bad.tolist())
        mirror = shadow(lambda record, turn=turn: {"score": record[0] / 256 + next(turn)}, 0.05)
        run(mirror, 400)
        alarms += not mirror.active
    assert alarms <= 2
