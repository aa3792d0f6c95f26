"""Calibrating 10,000 features x 20 bins from a stream of values, in bounded memory.

Run ``python benchmarks/discretizer_fit.py``; the default is 100 M values, every one distinct. They
are calibrated twice: in one go, and in four shards of unequal sizes that are written to files and
merged in three orders. All results have to be the same bytes. Memory is the process's peak above
what it had before the first value.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from deepbird_v2.discretizers import Collection, DiscretizerCalibrator
from deepbird_v2.discretizers.file import dumps

# Shares of the chunks that each shard gets, and the orders in which shards are merged.
SHARDS = (0.04, 0.16, 0.32, 0.48)
ORDERS = ((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1))


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
    options = parser.parse_args()
    ids = np.random.default_rng(1).integers(-(2**63), 2**63, options.features)
    sizes = [
        min(options.chunk, options.values - start)
        for start in range(0, options.values, options.chunk)
    ]
    spent = 0.0

    def calibrator() -> DiscretizerCalibrator:
        return DiscretizerCalibrator(20, 22, capacity=options.capacity)

    def accumulated(seeds: Iterable[int]) -> DiscretizerCalibrator:
        nonlocal spent
        made = calibrator()
        for seed in seeds:
            rng = np.random.default_rng(seed)
            keys = ids[rng.integers(0, len(ids), sizes[seed])]
            values = rng.lognormal(size=sizes[seed])
            began = time.perf_counter()
            made.accumulate(keys, values)
            spent += time.perf_counter() - began
        began = time.perf_counter()
        assert made.collection.sketches  # sorts in what still waits
        spent += time.perf_counter() - began
        return made

    before = peak()
    print(
        f"{options.values:,} values of {options.features:,} features, {options.chunk:,} at a time"
    )
    whole = accumulated(range(len(sizes)))
    began = time.perf_counter()
    expected = dumps(whole.calibrate())
    last = time.perf_counter() - began
    errors = [s.error for s in whole.collection.sketches.values()]
    print(f"accumulate {spent:8.1f} s  ({options.values / spent / 1e6:.2f} M values/s)")
    print(f"calibrate  {last:8.1f} s  ({len(expected) / 1e6:.1f} MB state file)")
    print(f"memory     {peak() - before:8.0f} MB peak above the start")
    print(f"rank error {max(errors):8.3%} of the weight at most, {np.median(errors):.3%} median")
    del whole

    # Last chunks first, so that within shards nothing comes in the order of before, either.
    chunks = np.arange(len(sizes))[::-1]
    parts = np.split(chunks, np.rint(np.cumsum(SHARDS)[:-1] * len(sizes)).astype(int))
    counts = [sum(sizes[seed] for seed in part) for part in parts]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{n}.collection" for n in range(len(parts))]
        for file, part in zip(files, parts, strict=True):
            accumulated(part.tolist()).collection.save(file)
        print(f"shards     {', '.join(f'{n:,}' for n in counts)} values, {sum(counts):,} in all")
        for order in ORDERS:
            began = time.perf_counter()
            merged = calibrator()
            for n in order:
                merged.collection.merge(Collection.load(files[n]))
            same = dumps(merged.calibrate()) == expected
            took = time.perf_counter() - began
            print(f"merged as {order}: {'the same bytes' if same else 'OTHER BYTES'}, {took:.1f} s")
    print(f"memory     {peak() - before:8.0f} MB peak above the start, shards and merges included")


if __name__ == "__main__":
    main()
