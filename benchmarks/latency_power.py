"""How often the latency check is right, on engines that exist only as numbers.

Run ``python benchmarks/latency_power.py``. Every run is a whole check with the default design and
limits; a loaded machine changes its speed by 21 % in the course of time and interrupts 2 % of all
requests for 8 ms on average, eight times what a request takes.
"""

from __future__ import annotations

from dataclasses import replace

from _verdicts import HEADER, arguments, laid_out, limits, row

from verify.latency.experiment import run_experiment
from verify.latency.synthetic import LOADED, Machine, SyntheticEngines

MACHINES = {
    "at rest": Machine(),
    "busy": replace(LOADED, drift=0.07, stall_share=0.005),
    "loaded": LOADED,
}


def main() -> None:
    """Simulate and count."""
    parser = arguments(__doc__, runs=100)
    parser.add_argument("--machine", nargs="*", default=list(MACHINES), choices=list(MACHINES))
    options = parser.parse_args()
    design, budgets = laid_out(options), limits(options)
    print(f"{'machine':10}{HEADER}")
    for name in options.machine:
        for factor in options.slower:
            engines = (
                SyntheticEngines(design, {"v2": factor}, MACHINES[name], seed)
                for seed in range(options.runs)
            )
            outcomes = (run_experiment(e.start, budgets, design) for e in engines)
            print(f"{name:10}{row(factor, outcomes)}", flush=True)


if __name__ == "__main__":
    main()
