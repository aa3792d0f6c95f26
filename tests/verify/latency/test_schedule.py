"""Requests one after another and on schedule, on a clock that only the test moves."""

import numpy as np
import pytest

from verify.latency.queue import Queue, Responses
from verify.latency.schedule import (
    Mark,
    SystemClock,
    arrivals,
    closed_loop,
    open_loop,
    stretch,
    warm_up,
)

NAN = float("nan")


class FakeClock:
    """Time that passes only when something is done."""

    def __init__(self, waits=True):
        self.time = self.lost = self.lost_unseen = self.asleep = 0.0
        self.slept = 0
        self.tells = waits

    def now(self):
        return self.time

    def cpu(self):
        return self.time - self.lost - self.lost_unseen

    def mark(self):
        if not self.tells:
            return Mark(self.time, NAN, NAN, NAN)
        return Mark(self.time, self.cpu() - self.asleep, self.lost, self.slept)

    def sleep(self, seconds):
        self.time += seconds
        self.asleep += seconds
        self.slept += 1

    def wait_until(self, when):
        self.time = max(self.time, when)


def engine(clock, seconds, stalls=()):
    def call(i):
        clock.time += seconds
        if i in stalls:
            clock.time += 1.0
            clock.lost += 1.0

    return call


def test_one_after_another():
    clock = FakeClock()
    found = closed_loop(engine(clock, 0.01, {2}), 0, 4, clock)
    np.testing.assert_allclose(found["service"], [0.01, 0.01, 1.01, 0.01])
    np.testing.assert_allclose(found["cpu"], 0.01)


def test_a_stall_is_felt_by_all_who_wait():
    clock = FakeClock()
    taken = open_loop(engine(clock, 0.01, {1}), 0, arrivals(5, 2.0), clock)
    np.testing.assert_allclose(taken["scheduled"], [0.01, 1.01, 0.01, 0.01, 0.01], atol=1e-12)
    found = Responses(2.0).of(taken)
    np.testing.assert_allclose(found["response"], [0.01, 1.01, 0.52, 0.03, 0.01], atol=1e-12)
    np.testing.assert_allclose(found["undisturbed"], 0.01)


def test_what_an_engine_takes_of_itself():
    """It sleeps for an answer; others take 1 s, and a hypervisor 3 s that no account holds."""
    clock = FakeClock()
    work, hidden = engine(clock, 0.01, {0}), {1: 3.0}

    def waits(i):
        work(i)
        clock.sleep(0.1)

    def interrupted(i):
        work(i)
        clock.time += hidden.get(i, 0.0)
        clock.lost_unseen += hidden.get(i, 0.0)

    np.testing.assert_allclose(open_loop(waits, 0, arrivals(2, 2.0), clock)["own"], 0.11)
    np.testing.assert_allclose(open_loop(interrupted, 0, arrivals(2, 2.0), clock)["own"], 0.01)


def test_without_word_from_the_system_nothing_is_called_undisturbed():
    clock = FakeClock(waits=False)
    assert list(open_loop(engine(clock, 0.01), 0, arrivals(3, 2.0), clock)) == ["scheduled"]


def test_a_queue_goes_on_in_the_next_stretch():
    service = np.array([3, 1, 1, 1.0, 0.1, 0.1])
    whole = Queue(1.0).responses(service)
    np.testing.assert_allclose(whole, [3, 3, 3, 3, 2.1, 1.2])
    queue = Queue(1.0)
    parts = [queue.responses(service[i:j]) for i, j in ((0, 2), (2, 2), (2, 6))]
    np.testing.assert_allclose(np.concatenate(parts), whole)


def test_a_stretch_has_both_sorts_of_requests():
    clock = FakeClock()
    found = stretch(engine(clock, 0.01), 0, 4, 2.0, clock)
    assert {metric: len(s) for metric, s in found.items()} == {
        "service": 4, "cpu": 4, "scheduled": 4, "own": 4
    }  # fmt: skip


def test_warming_up_ends_when_the_pace_is_steady_or_time_is_up():
    clock = FakeClock()
    pace = iter(np.r_[np.linspace(0.1, 0.01, 100), np.full(1000, 0.01)])

    def call(_):
        clock.time += next(pace)

    assert warm_up(call, clock, 1e9) == (pytest.approx(0.01), True)

    def slower(_):
        clock.time += 0.01 * 1.02 ** (clock.time / 0.1)

    assert not warm_up(slower, clock, 0.0)[1]


def test_the_system_clock_moves():
    clock = SystemClock()
    start = clock.now()
    clock.wait_until(start + 1e-3)
    assert clock.now() >= start + 1e-3
    assert clock.cpu() > 0
    before = clock.mark()
    sum(range(10_000))
    ran = clock.mark()
    clock.wait_until(ran.now + 5e-3)
    slept = clock.mark()
    if not np.isnan(before.waited):
        assert ran.cpu - before.cpu > 0
        assert slept.slept > ran.slept
        assert slept.own_since(ran) > 1e-3
