"""What was measured: histograms a role, metric, process restart and block."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verify.latency.histogram import BUCKETS, counts

__all__ = ["ORDER", "Measure", "Samples", "Segment", "measure_restart"]

Array = np.ndarray[Any, Any]
# Within a round each engine comes first once and last once: what drifts, drifts for both.
ORDER = (0, 1, 1, 0)
EMPTY = np.empty(0)

# Metric → latencies in seconds of one stretch of requests to one engine.
Segment = Mapping[str, Array]
# Runs one stretch on engine 0 or 1 of a pair.
Measure = Callable[[int], Segment]


@dataclass
class Samples:
    """Histograms of two engines, in the order they were taken.

    Attributes:
        restarts: a dict a restart: metric → int64[blocks, 2 engines, BUCKETS].
    """

    restarts: list[dict[str, Array]] = field(default_factory=list)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What both engines were measured in, at every restart."""
        if not self.restarts:
            return ()
        return tuple(m for m in self.restarts[0] if all(m in r for r in self.restarts))

    def of(self, metric: str) -> list[Array]:
        """A histogram [blocks, 2, BUCKETS] a restart."""
        return [restart[metric] for restart in self.restarts]

    def pooled(self, metric: str) -> Array:
        """int64[2, BUCKETS]: everything merged."""
        return np.sum([blocks.sum(axis=0) for blocks in self.of(metric)], axis=0)


def measure_restart(
    measure: Measure, blocks: int, rounds: int = 1, seconds: float = math.inf
) -> dict[str, Array]:
    """ABBA rounds on one pair of freshly started engines.

    Args:
        measure: runs one stretch.
        blocks: how many histograms to keep.
        rounds: a block, at most.
        seconds: after which share of a block's rounds are cut off, the first never.

    Returns:
        Metric → int64[blocks, 2, BUCKETS].
    """
    taken: dict[str, Array] = {}
    for block in range(blocks):
        turns: dict[str, tuple[list[Array], list[Array]]] = {}
        late = time.perf_counter() + seconds / blocks
        for number in range(rounds):
            if number and time.perf_counter() > late:
                break  # a slow engine: its requests vary less, relatively, and fewer will do
            for role in ORDER:
                for metric, latencies in measure(role).items():
                    turns.setdefault(metric, ([], []))[role].append(latencies)
        for metric, pair in turns.items():
            if metric not in taken:
                taken[metric] = np.zeros((blocks, 2, BUCKETS), np.int64)
            taken[metric][block] = [counts(np.concatenate([EMPTY, *parts])) for parts in pair]
    both = [m for m, h in taken.items() if h.sum(axis=2).all()]
    return {metric: taken[metric] for metric in both}
