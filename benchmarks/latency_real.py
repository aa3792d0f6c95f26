"""How often the latency check is right on this machine, with real clocks and real disturbance.

Run ``python benchmarks/latency_real.py --runs 10``. v2 does the same work as v1 times a factor;
both live in this process, so process restarts are only pretended. What else the machine does
meanwhile is the point: run it beside other work.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from verify.latency.experiment import run_experiment
from verify.latency.fingerprint import load_average
from verify.latency.judge import Design
from verify.latency.queue import Responses
from verify.latency.samples import Measure, Segment
from verify.latency.schedule import SystemClock, stretch, warm_up
from verify.verdict import Verdict

STEPS = 50  # of one request to v1: a factor of 1.2 is 60


def engine(factor: float) -> Callable[[int], object]:
    """A request is some steps of the same small product."""
    matrix = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)

    def call(_: int) -> object:
        y = matrix
        for _step in range(round(STEPS * factor)):
            y = matrix @ matrix
        return y

    return call


def main() -> None:
    """Check and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--slower", type=float, nargs="*", default=[1.0, 1.2])
    options = parser.parse_args()
    design = Design()
    clock = SystemClock()
    print(f"{'v2 / v1':>8}{'PASS':>6}{'FAIL':>6}{'INCONCLUSIVE':>14}{'restarts':>10}{'load':>7}")
    for factor in options.slower:

        @contextmanager
        def start(pair: tuple[str, str], _: int, factor: float = factor) -> Iterator[Measure]:
            calls = [engine(factor if role == "v2" else 1.0) for role in pair]
            rate = design.utilization / warm_up(calls[0], clock, 0.5)[0]
            responses = [Responses(rate) for _ in pair]

            def measure(role: int) -> Segment:
                found = stretch(calls[role], 0, design.requests, rate, clock)
                return responses[role].of(found)

            yield measure

        verdicts: Counter[str] = Counter()
        restarts, begin = 0, time.perf_counter()
        for _ in range(options.runs):
            outcome = run_experiment(start, None, design)
            verdicts[Verdict.combine(j.check for j in outcome.judged).status.value] += 1
            restarts += len(outcome.samples.restarts)
        counts = "".join(
            f"{verdicts[s]:{w}}" for s, w in (("PASS", 6), ("FAIL", 6), ("INCONCLUSIVE", 14))
        )
        took = (time.perf_counter() - begin) / options.runs
        tail = f"{restarts / options.runs:10.1f}{load_average():7.1f}   {took:.1f} s a check"
        print(f"{factor:8}{counts}{tail}", flush=True)


if __name__ == "__main__":
    main()
