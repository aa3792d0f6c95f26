"""Histograms, intervals and verdicts on engines that exist only as numbers."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.latency.budget import default_budgets
from verify.latency.design import Design
from verify.latency.experiment import run_experiment
from verify.latency.histogram import BUCKETS, bucket_edges, counts, percentile
from verify.latency.samples import Samples, measure_restart
from verify.latency.statistics import percentile_ratio, restarts_to_see, student_t
from verify.latency.synthetic import LOADED, Machine, SyntheticEngines
from verify.verdict import Status, Verdict


@given(st.lists(st.floats(1e-8, 100), min_size=1, max_size=50), st.floats(1, 99))
def test_percentiles_are_exact_to_a_bucket(seconds, percent):
    found = percentile(counts(np.array(seconds)), percent)
    reference = np.percentile(seconds, percent, method="inverted_cdf")
    assert found == pytest.approx(reference, rel=0.006)


def test_histograms_merge_by_addition():
    a, b = np.random.default_rng(3).lognormal(-7, 1, (2, 500))
    np.testing.assert_array_equal(counts(a) + counts(b), counts(np.concatenate([a, b])))
    assert len(bucket_edges()) == BUCKETS + 1


def test_out_of_range_latencies_are_still_counted():
    assert counts(np.array([0.0, -1.0, 1e9])).sum() == 3
    assert np.isnan(percentile(np.zeros(BUCKETS), 50))


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),  # from tables
    [(0.975, 1, 12.706), (0.975, 4, 2.776), (0.995, 4, 4.604), (0.975, 19, 2.093),
     (0.9, 10, 1.372), (0.999, 60, 3.232)],
)  # fmt: skip
def test_student_t(probability, freedom, expected):
    assert student_t(probability, freedom) == pytest.approx(expected, abs=6e-4)


def check(seed, factor=1.0, machine=None, **design):
    made = Design(**{"rounds": 1, "requests": 10} | design)  # the same figures in fewer turns
    engines = SyntheticEngines(made, {"v2": factor}, machine or Machine(), seed)
    return run_experiment(engines.start, None, made)


def verdicts(runs, *arguments, **more):
    found = Counter()
    for seed in range(runs):
        outcome = check(seed, *arguments, **more)
        found[Verdict.combine(outcome.checks).status] += 1
    return found


@pytest.mark.parametrize("machine", [Machine(), LOADED])
def test_identical_engines_never_fail(machine):
    found = verdicts(12, 1.0, machine, most_restarts=8)
    assert found[Status.FAIL] == 0
    assert found[Status.PASS] == 12 or machine is LOADED


@pytest.mark.parametrize("machine", [Machine(), LOADED])
def test_a_slower_engine_never_passes(machine):
    found = verdicts(12, 1.2, machine, most_restarts=8)
    assert found[Status.PASS] == 0
    assert found[Status.FAIL] == 12 or machine is LOADED


def test_a_small_difference_is_seen_when_the_run_is_long_enough():
    short = check(1, 1.05, Machine(start=0.02, drift=0.05), restarts=3, most_restarts=3)
    needed = restarts_to_see(0.05, short.judged[0].interval, short.design.confidence)
    assert needed > 3
    long = check(2, 1.05, Machine(start=0.02, drift=0.05), restarts=40, most_restarts=40)
    assert all(j.interval.low > 1 for j in long.judged if j.budget.metric == "cpu")


def test_an_interval_holds_the_truth_as_often_as_it_says():
    hits = 0
    for seed in range(60):
        outcome = check(seed, 1.1, Machine(start=0.05), restarts=4, most_restarts=4, blocks=2)
        interval = percentile_ratio(outcome.samples.of("cpu"), 50, 0.9)
        hits += interval.low <= 1.1 <= interval.high
    assert hits >= 48  # 54 expected; fewer than 48 has a chance of 1 %


def test_a_machine_that_stops_once_ruins_one_restart_alone():
    outcome = check(4, restarts=13, most_restarts=13, blocks=4)
    histograms = outcome.samples.of("cpu")
    before = percentile_ratio(histograms, 50, 0.99)
    histograms[3][:, 1] = counts(np.full(400, 2.0))
    after = percentile_ratio(histograms, 50, 0.99)
    assert after.estimate == pytest.approx(before.estimate, rel=0.02)
    assert after.high < 1.05
    assert percentile_ratio(histograms[:8], 50, 0.99).high > 1.05  # too few to leave any out


def test_deciding_early_needs_fewer_restarts():
    design = Design()
    assert design.looks[0] == 5
    assert design.looks[-1] == 40
    assert len(check(0, 2.0).samples.restarts) == 5
    assert design.confidence == pytest.approx(1 - 0.02 / len(design.looks))


def test_identical_engines_that_seem_apart_are_looked_at_again():
    """By chance the first restarts of v1's repetition are slow; later ones are not."""
    design = Design(rounds=1, requests=10)
    started = Counter()

    def start(pair, restart):
        started[pair] += 1
        slow = pair[1] == "v1_repeat" and restart < design.restarts
        made = SyntheticEngines(design, {"v1_repeat": 1.3 if slow else 1.0}, Machine(), restart)
        return made.start(pair, restart)

    outcome = run_experiment(start, None, design)
    assert Verdict.combine(outcome.checks).status is Status.PASS
    assert design.restarts < started["v1", "v1_repeat"] <= design.most_restarts


def test_drift_hits_both_engines_alike():
    order = []

    def measure(role):
        order.append(role)
        return {"cpu": np.full(3, 1e-3 * (1 + len(order)))}

    taken = measure_restart(measure, 2, 3)
    assert order == [0, 1, 1, 0] * 6
    assert taken["cpu"].sum() == 72
    assert Samples([taken, taken]).pooled("cpu").sum() == 144


def test_a_slow_engine_has_fewer_rounds():
    order = []

    def measure(role):
        order.append(role)
        return {"cpu": np.ones(3)}

    measure_restart(measure, 2, 3, seconds=0)
    assert order == [0, 1, 1, 0] * 2


def test_a_metric_that_one_engine_lacks_is_not_judged():
    taken = measure_restart(lambda role: {"service": np.ones(2), "cpu": np.ones(2 * role)}, 1)
    assert list(taken) == ["service"]
    assert [b.name for b in default_budgets(taken)] == ["service p99"]
    assert default_budgets([]) == ()


def test_bounds_need_restarts():
    with pytest.raises(ValueError, match="two process restarts"):
        percentile_ratio([np.zeros((1, 2, BUCKETS))], 50, 0.95)
