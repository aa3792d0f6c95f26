"""An optimizer step on a table that grows: the time and memory should not follow its rows.

    python benchmarks/sparse_step.py [--width 16] [--batch 128] [--ids 30]

Each table runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

BITS = (12, 16, 20, 22)
METHODS = ("SGD", "Adagrad")


def measure(method: str, bits: int, width: int, batch: int, ids: int, steps: int) -> dict:
    import keras
    import numpy as np
    import tensorflow as tf

    from deepbird_v2 import optimizers

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    table = keras.Variable(tf.zeros, shape=(1 << bits, width))
    optimizer = getattr(optimizers, method)(0.1)
    optimizer.build([table])
    rng = np.random.default_rng(1)
    values = tf.constant(rng.normal(size=(batch * ids, width)), "float32")

    @tf.function(autograph=False)
    def step(keys: tf.Tensor) -> None:
        optimizer.apply([tf.IndexedSlices(values, keys, tf.constant([1 << bits, width]))])

    times = []
    for _ in range(steps):
        keys = tf.constant(rng.integers(0, 1 << bits, batch * ids))
        start = time.perf_counter()
        step(keys)
        times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    held = len(optimizer.variables) - 2  # iterations and rate are no tables
    return {
        "ms": 1e3 * statistics.median(times[5:]),
        "peak_mb": peak / 1024,
        "tables_mb": (1 + held) * (1 << bits) * width * 4 / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("width", 16), ("batch", 128), ("ids", 30), ("steps", 50)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--one", nargs=2)
    options = parser.parse_args()
    sizes = (options.width, options.batch, options.ids, options.steps)
    if options.one:
        method, bits = options.one
        print(json.dumps(measure(method, int(bits), *sizes)))
        return
    print("optimizer  rows      ms/step  peak MB  table and state MB")
    for method in METHODS:
        for bits in BITS:
            command = [sys.executable, __file__, "--one", method, str(bits)]
            names = zip(("width", "batch", "ids", "steps"), map(str, sizes), strict=True)
            command += [part for name, size in names for part in (f"--{name}", size)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{method:10} 2^{bits:<6} {found['ms']:8.2f} {found['peak_mb']:8.0f} "
                f"{found['tables_mb']:8.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
