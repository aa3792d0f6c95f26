"""Engines that exist only as numbers: for finding out how often the check is right.

Service times are log-normal. The machine adds what a shared machine adds: a speed that differs a
process start and drifts within it, and stalls that hit whoever runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verify.latency.design import Design
from verify.latency.queue import Responses
from verify.latency.samples import Measure, Segment

__all__ = ["LOADED", "Machine", "SyntheticEngines"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Machine:
    """How disturbed a machine is.

    Attributes:
        start: spread of the speed between process starts (log scale).
        drift: spread of the speed in the course of time.
        memory: requests after which half of a change of speed is gone.
        stall_share: share of requests that are interrupted.
        stall: mean length of an interruption, in seconds.
    """

    start: float = 0.01
    drift: float = 0.03
    memory: float = 400.0
    stall_share: float = 0.0
    stall: float = 0.0


LOADED = Machine(start=0.03, drift=0.21, stall_share=0.02, stall=8e-3)


@dataclass
class SyntheticEngines:
    """Engines by role.

    Attributes:
        design: how many requests a stretch, and how busy.
        slower: role → factor on its service time.
        machine: what disturbs them.
        seed: of all draws.
        mean: service time of v1 in seconds.
        spread: of service times (log scale).
    """

    design: Design
    slower: Mapping[str, float] = field(default_factory=dict)
    machine: Machine = field(default_factory=Machine)
    seed: int = 0
    mean: float = 1e-3
    spread: float = 0.1

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    @contextmanager
    def start(self, pair: tuple[str, str], restart: int) -> Iterator[Measure]:
        """See `verify.latency.experiment.Start`."""
        rng, machine = self._rng, self.machine
        speed = [self.slower.get(role, 1.0) * np.exp(rng.normal(0, machine.start)) for role in pair]
        responses = [Responses(self.design.utilization / self.mean) for _ in pair]
        drift = rng.normal(0, machine.drift)
        kept = 0.5 ** (2 * self.design.requests / machine.memory)

        def measure(role: int) -> Segment:
            nonlocal drift
            drift = kept * drift + rng.normal(0, machine.drift * np.sqrt(1 - kept**2))
            pace = self.mean * speed[role] * np.exp(drift)
            n = self.design.requests
            cpu, own = (pace * rng.lognormal(0, self.spread, n) for _ in range(2))
            wall, scheduled = self._interrupted(cpu), self._interrupted(own)
            return responses[role].of(
                {"service": wall, "cpu": cpu, "scheduled": scheduled, "own": own}
            )

        yield measure

    def _interrupted(self, seconds: Array) -> Array:
        hit = self._rng.random(len(seconds)) < self.machine.stall_share
        return seconds + hit * self._rng.exponential(self.machine.stall or 1.0, len(seconds))
