"""How often the latency check is right, on engines that exist only as numbers.

Run ``python benchmarks/latency_power.py --runs 100``. Every run is a whole check with the default
design and budget; a loaded machine changes its speed by 15 % from one stretch to the next and
interrupts 2 % of all requests for 8 ms on average, eight times what a request takes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace

from verify.latency.experiment import run_experiment
from verify.latency.judge import Design
from verify.latency.synthetic import LOADED, Machine, SyntheticEngines
from verify.verdict import Verdict

MACHINES = {
    "at rest": Machine(),
    "busy": replace(LOADED, drift=0.07, stall_share=0.005),
    "loaded": LOADED,
}


def main() -> None:
    """Simulate and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--slower", type=float, nargs="*", default=[1.0, 1.05, 1.2])
    parser.add_argument("--machine", nargs="*", default=list(MACHINES), choices=list(MACHINES))
    options = parser.parse_args()
    print(f"{'machine':10}{'v2 / v1':>9}{'PASS':>6}{'FAIL':>6}{'INCONCLUSIVE':>14}{'restarts':>10}")
    for name in options.machine:
        machine = MACHINES[name]
        for factor in options.slower:
            verdicts: Counter[str] = Counter()
            restarts = 0
            for seed in range(options.runs):
                design = Design()
                engines = SyntheticEngines(design, {"v2": factor}, machine, seed)
                outcome = run_experiment(engines.start, None, design)
                verdicts[Verdict.combine(j.check for j in outcome.judged).status.value] += 1
                restarts += len(outcome.samples.restarts)
            counts = "".join(
                f"{verdicts[s]:{w}}" for s, w in (("PASS", 6), ("FAIL", 6), ("INCONCLUSIVE", 14))
            )
            print(f"{name:10}{factor:9}{counts}{restarts / options.runs:10.1f}", flush=True)


if __name__ == "__main__":
    main()
