"""Response times from what requests took on schedule, stretch after stretch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["Queue", "Responses"]

Array = np.ndarray[Any, Any]


class Queue:
    """Responses of a server that takes one request at a time, at equal distances.

    A stall is felt by every request that was due meanwhile, as it is by users; also by those of the
    next stretch.

    Args:
        rate: requests a second.
    """

    def __init__(self, rate: float) -> None:
        self._interval, self._backlog = 1 / rate, 0.0

    def responses(self, seconds: Array) -> Array:
        """Response times of the next requests.

        Args:
            seconds: [n] that each request keeps the server.

        Returns:
            [n] seconds from due to done.
        """
        n = len(seconds)
        due, work = np.arange(n) * self._interval, np.cumsum(seconds)
        begun = np.maximum.accumulate(np.maximum(due - (work - seconds), self._backlog))
        done = begun + work
        if n:
            self._backlog = max(0.0, float(done[-1]) - n * self._interval)
        return np.asarray(done - due)


class Responses:
    """Turns an engine's stretches, as they are measured, into metrics.

    Args:
        rate: of the schedule, a second.
    """

    def __init__(self, rate: float) -> None:
        self._queues = {
            "scheduled": ("response", Queue(rate)),
            "own": ("undisturbed", Queue(rate)),
        }

    def of(self, segment: Mapping[str, Array]) -> dict[str, Array]:
        """The next stretch, with response times in place of what each request took on schedule."""
        found = {}
        for metric, seconds in segment.items():
            if metric in self._queues:
                name, queue = self._queues[metric]
                found[name] = queue.responses(seconds)
            else:
                found[metric] = seconds
        return found
