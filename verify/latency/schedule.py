"""Requests one after another, and requests that arrive when they are due."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

__all__ = ["Clock", "SystemClock", "arrivals", "closed_loop", "open_loop", "warm_up"]

Array = np.ndarray[Any, Any]
Call = Callable[[int], object]

WINDOW = 40
STEADY = 0.05
SPIN = 2e-4  # sleeping wakes up later than asked by less than this, on a machine at rest


class Clock(Protocol):
    """Time, so that tests can bring their own."""

    def now(self) -> float:
        """Seconds."""

    def cpu(self) -> float:
        """CPU seconds of this process."""

    def wait_until(self, when: float) -> None:
        """Return at a time, or at once if it is past."""


class SystemClock:
    """The machine's clocks."""

    now = staticmethod(time.perf_counter)
    cpu = staticmethod(time.process_time)

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

    A stall is felt by every request that was due meanwhile, as it is by users.

    Args:
        call: answers request i.
        first: number of the first request.
        due: ascending seconds from the start.
        clock: of the measurement.

    Returns:
        ``response``: seconds from due to answered, the length of ``due``.
    """
    response = np.empty(len(due))
    start = clock.now()
    for i, offset in enumerate(due):
        clock.wait_until(start + offset)
        call(first + i)
        response[i] = clock.now() - start - offset
    return {"response": response}


def arrivals(count: int, rate: float) -> Array:
    """Times of requests at a constant rate, in seconds, ascending.

    Random times would be nearer to traffic, and their clumps would drown what is compared.

    Args:
        count: how many.
        rate: a second.
    """
    return np.arange(count) / rate


def warm_up(call: Call, clock: Clock, most: float = 10.0) -> tuple[float, bool]:
    """Call until the median stops moving.

    Args:
        call: answers request i.
        clock: of the measurement.
        most: seconds after which to go on regardless.

    Returns:
        (seconds a request, whether it became steady).
    """
    end, number, before = clock.now() + most, 0, np.inf
    while True:
        service = closed_loop(call, number, WINDOW, clock)["service"]
        number += WINDOW
        median = float(np.median(service))
        if abs(median - before) <= STEADY * before:
            return median, True
        if clock.now() > end:
            return median, False
        before = median
