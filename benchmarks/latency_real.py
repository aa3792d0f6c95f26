"""How often the latency check is right on this machine, with real clocks and real disturbance.

Run ``python benchmarks/latency_real.py --runs 10``. v2 does the same work as v1 times a factor;
both live in this process, so process restarts are only pretended. What else the machine does
meanwhile is the point: run it beside other work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from _verdicts import HEADER, arguments, laid_out, limits, row

from verify.latency.design import Design
from verify.latency.experiment import Start, run_experiment
from verify.latency.fingerprint import load_average
from verify.latency.queue import Responses
from verify.latency.samples import Measure, Segment
from verify.latency.schedule import SystemClock, stretch, warm_up


def engine(steps: int) -> Callable[[int], object]:
    """A request is some steps of the same small product."""
    matrix = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)

    def call(_: int) -> object:
        y = matrix
        for _step in range(steps):
            y = matrix @ matrix
        return y

    return call


def starter(steps: dict[str, int], design: Design, clock: SystemClock) -> Start:
    """Starts pairs whose requests take so many steps, by role."""

    @contextmanager
    def start(pair: tuple[str, str], _: int) -> Iterator[Measure]:
        calls = [engine(steps[role]) for role in pair]
        rate = design.utilization / warm_up(calls[0], clock, 0.5)[0]
        responses = [Responses(rate) for _ in pair]

        def measure(role: int) -> Segment:
            found = stretch(calls[role], 0, design.requests, rate, clock)
            return responses[role].of(found)

        yield measure

    return start


def main() -> None:
    """Check and count."""
    parser = arguments(__doc__, runs=10)
    parser.add_argument("--steps", type=int, default=50, help="of a request to v1")
    options = parser.parse_args()
    design, budgets, clock = laid_out(options), limits(options), SystemClock()
    print(f"{HEADER}{'load':>7}{'s a check':>11}")
    for factor in options.slower:
        begin = time.perf_counter()
        v1, v2 = options.steps, round(options.steps * factor)
        start = starter({"v1": v1, "v1_repeat": v1, "v2": v2}, design, clock)
        counted = row(factor, (run_experiment(start, budgets, design) for _ in range(options.runs)))
        took = (time.perf_counter() - begin) / options.runs
        print(f"{counted}{load_average():7.1f}{took:11.1f}", flush=True)


if __name__ == "__main__":
    main()
