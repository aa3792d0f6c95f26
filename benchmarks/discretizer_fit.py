"""Calibrating 10,000 features x 20 bins from a stream of values, in bounded memory.

Run ``python benchmarks/discretizer_fit.py``; the default is 100 M values, every one distinct.
Shards are merged in two orders, and the bytes compared. Memory is the process's peak above what it
had before the first value.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from deepbird_v2.discretizers import DiscretizerCalibrator
from deepbird_v2.discretizers.file import dumps


def peak() -> float:
    """Peak resident memory in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=10_000)
    parser.add_argument("--values", type=int, default=100_000_000)
    parser.add_argument("--capacity", type=int, default=1024)
    parser.add_argument("--chunk", type=int, default=4_000_000)
    parser.add_argument("--shards", type=int, default=4, help="of a twentieth of the values")
    options = parser.parse_args()
    ids = np.random.default_rng(1).integers(-(2**63), 2**63, options.features)

    def chunk(seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        return ids[rng.integers(0, len(ids), size)], rng.lognormal(size=size)

    def calibrator() -> DiscretizerCalibrator:
        return DiscretizerCalibrator(20, 22, capacity=options.capacity)

    before, spent = peak(), 0.0
    whole = calibrator()
    for seed, start in enumerate(range(0, options.values, options.chunk)):
        part = chunk(seed, min(options.chunk, options.values - start))
        began = time.perf_counter()
        whole.accumulate(*part)
        spent += time.perf_counter() - began
    began = time.perf_counter()
    state = whole.calibrate()
    last = time.perf_counter() - began
    errors = [s.error for s in whole.collection.sketches.values()]
    print(
        f"{options.values:,} values of {options.features:,} features, {options.chunk:,} at a time"
    )
    print(f"accumulate {spent:8.1f} s  ({options.values / spent / 1e6:.2f} M values/s)")
    print(f"calibrate  {last:8.1f} s  ({len(dumps(state)) / 1e6:.1f} MB state file)")
    print(f"memory     {peak() - before:8.0f} MB peak above the start")
    print(f"rank error {max(errors):8.3%} of the weight at most, {np.median(errors):.3%} median")

    size = options.values // 20 // options.shards
    shards = [chunk(1000 + n, size) for n in range(options.shards)]
    found = set()
    for order in (range(options.shards), reversed(range(options.shards))):
        merged = calibrator()
        for n in order:
            other = calibrator()
            other.accumulate(*shards[n])
            merged.merge(other)
        found.add(dumps(merged.calibrate()))
    print(f"merging {options.shards} shards in two orders: {len(found)} distinct result(s)")


if __name__ == "__main__":
    main()
