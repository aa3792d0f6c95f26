"""How long to measure, and how sure to be."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Design"]


@dataclass(frozen=True)
class Design:
    """How long to measure, and how sure to be.

    Attributes:
        restarts: process restarts before the first look.
        most_restarts: restarts after which an open question stays open.
        blocks: a restart; what the bootstrap draws.
        rounds: of v1, v2, v2, v1 a block, at most.
        requests: a turn, one after another and again on a schedule.
        seconds: a restart's measurements should take at most; each block has one round at least.
        error: chance of a wrong PASS or FAIL of one limit, over all looks.
        utilization: share of time that a v1 engine is busy on the schedule.
    """

    restarts: int = 5
    most_restarts: int = 40
    blocks: int = 60
    rounds: int = 4
    requests: int = 5
    seconds: float = 60.0
    error: float = 0.01
    utilization: float = 0.4

    def __post_init__(self) -> None:
        if not 2 <= self.restarts <= self.most_restarts:
            raise ValueError("at least 2 restarts, and no fewer at most than at least")
        if min(self.blocks, self.rounds, self.requests) < 1 or not 0 < self.error < 0.5:
            raise ValueError(
                "blocks, rounds and requests are 1 or more, error lies between 0 and 0.5"
            )
        if not 0 < self.utilization < 0.9:
            raise ValueError("utilization lies between 0 and 0.9")

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of restarts after which the bounds are looked at."""
        counts = [self.restarts]
        while counts[-1] < self.most_restarts:
            counts.append(min(math.ceil(counts[-1] * 1.6), self.most_restarts))
        return tuple(counts)

    @property
    def confidence(self) -> float:
        """Of one look's two-sided interval: each bound errs with ``error`` over all looks."""
        return 1 - 2 * self.error / len(self.looks)
