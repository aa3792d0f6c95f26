"""Requests one after another, and requests that arrive when they are due."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import numpy as np

__all__ = [
    "Clock",
    "Mark",
    "SystemClock",
    "arrivals",
    "closed_loop",
    "open_loop",
    "stretch",
    "warm_up",
]

Array = np.ndarray[Any, Any]
Call = Callable[[int], object]

WARM = 2  # requests
WINDOW = 40
STEADY = 0.05
SPIN = 2e-4  # sleeping wakes up later than asked by less than this, on a machine at rest


class Mark(NamedTuple):
    """Where this thread stands; NaN where the system does not tell.

    Attributes:
        now: seconds.
        cpu: seconds that it ran.
        waited: seconds that it was ready to run and another had the processor.
        slept: times that it gave the processor up.
    """

    now: float
    cpu: float
    waited: float
    slept: float

    def own_since(self, before: Mark) -> float:
        """Seconds without those that the machine gave to others.

        A thread that never slept needed what it ran: so a hypervisor's pauses do not count, which
        no account of waiting holds. One that slept, as for an answer, needed all it did not wait.
        """
        if self.slept == before.slept:
            return self.cpu - before.cpu
        return max(self.now - before.now - (self.waited - before.waited), 0.0)


class Clock(Protocol):
    """Time, so that tests can bring their own."""

    def now(self) -> float:
        """Seconds."""

    def cpu(self) -> float:
        """CPU seconds of this process."""

    def mark(self) -> Mark:
        """See `Mark`."""

    def wait_until(self, when: float) -> None:
        """Return at a time, or at once if it is past."""


class SystemClock:
    """The machine's clocks, for the thread that makes it."""

    now = staticmethod(time.perf_counter)
    cpu = staticmethod(time.process_time)

    def __init__(self) -> None:
        self._schedstat: int | None = None
        with suppress(OSError):  # only Linux tells
            self._schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)

    def mark(self) -> Mark:
        """From Linux's schedstat and rusage of the thread."""
        if self._schedstat is None:
            return Mark(self.now(), float("nan"), float("nan"), float("nan"))
        slept = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        waited = int(os.pread(self._schedstat, 64, 0).split()[1]) * 1e-9
        return Mark(self.now(), time.thread_time(), waited, slept)

    def wait_until(self, when: float) -> None:
        """Sleep, then spin the last stretch."""
        left = when - time.perf_counter()
        if left > SPIN:
            time.sleep(left - SPIN)
        while time.perf_counter() < when:
            pass


def closed_loop(call: Call, first: int, count: int, clock: Clock) -> dict[str, Array]:
    """Each request begins when the last one ended.

    Args:
        call: answers request i.
        first: number of the first request.
        count: how many.
        clock: of the measurement.

    Returns:
        ``service`` and ``cpu`` seconds, [count] each.
    """
    service, cpu = np.empty(count), np.empty(count)
    for i in range(count):
        busy, start = clock.cpu(), clock.now()
        call(first + i)
        service[i] = clock.now() - start
        cpu[i] = clock.cpu() - busy
    return {"service": service, "cpu": cpu}


def open_loop(call: Call, first: int, due: Array, clock: Clock) -> dict[str, Array]:
    """Each request begins when it is due, or, if the engine is busy, as soon as it is free.

    Args:
        call: answers request i.
        first: number of the first request.
        due: ascending seconds from the start.
        clock: of the measurement.

    Returns:
        ``scheduled``: seconds that each request kept the engine, from when it was due and the one
        before was done; and ``own``: what it took of the engine itself (`Mark.own_since`), where
        the system tells. `Queue` makes response times of them.
    """
    scheduled, own = np.empty(len(due)), np.empty(len(due))
    begin = clock.now()
    free = begin
    for i, offset in enumerate(due):
        clock.wait_until(begin + offset)
        before = clock.mark()
        call(first + i)
        after = clock.mark()
        scheduled[i] = after.now - max(begin + offset, free)
        own[i] = after.own_since(before)
        free = after.now
    if np.isnan(own).any():
        return {"scheduled": scheduled}
    return {"scheduled": scheduled, "own": own}


def stretch(call: Call, first: int, count: int, rate: float, clock: Clock) -> dict[str, Array]:
    """Requests one after another, then as many on a schedule.

    A few before them do not count: the engine before had the caches.

    Args:
        call: answers request i.
        first: number of the first request.
        count: how many, of either sort.
        rate: of the schedule, a second.
        clock: of the measurement.

    Returns:
        What `closed_loop` and `open_loop` return.
    """
    closed_loop(call, first, WARM, clock)
    found = closed_loop(call, first, count, clock)
    return found | open_loop(call, first, arrivals(count, rate), clock)


def arrivals(count: int, rate: float) -> Array:
    """Times of requests at a constant rate, in seconds, ascending.

    Random times would be nearer to traffic, and their clumps would drown what is compared.

    Args:
        count: how many.
        rate: a second.
    """
    return np.arange(count) / rate


def warm_up(call: Call, clock: Clock, most: float = 3.0) -> tuple[float, bool]:
    """Call until the median stops moving.

    Args:
        call: answers request i.
        clock: of the measurement.
        most: seconds after which to go on regardless.

    Returns:
        (seconds a request, whether it became steady).
    """
    end, number, before = clock.now() + most, 0, 0.0
    while True:
        service = closed_loop(call, number, WINDOW, clock)["service"]
        number += WINDOW
        median = float(np.median(service))
        if abs(median - before) <= STEADY * before:
            return median, True
        if clock.now() > end:
            return median, False
        before = median
