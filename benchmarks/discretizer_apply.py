"""Applying a discretizer of 1,000 features x 20 bins: values a second, one thread.

Run ``python benchmarks/discretizer_apply.py``. The published C++ runtime does 10 to 22 M values/s
on this job on a comparable machine.
"""

from __future__ import annotations

import argparse
import os
import statistics

import numpy as np
from decode_records import timed

from deepbird_v2.discretizers import published
from deepbird_v2.discretizers.native import core


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=1000)
    parser.add_argument("--values", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-tensorflow", action="store_true")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    ids = rng.integers(-(2**63), 2**63, options.features)
    edges = np.sort(rng.normal(size=(options.features, 21)), axis=1)
    state = published.percentile(ids, edges, 22)
    keys = ids[rng.integers(0, options.features, options.values)]
    values = rng.normal(size=options.values)
    print(f"{options.features} features x 21 bins, {options.values:,} values; M values/s")

    def report(name: str, seconds: list[float]) -> None:
        best, median = (options.values / f(seconds) / 1e6 for f in (min, statistics.median))
        print(f"{name:24} median {median:7.1f}   best {best:7.1f}")

    state.apply(keys[:10], values[:10])
    if core() is not None:
        report("compiled core", timed(lambda: state.apply(keys, values), options.rounds))
    os.environ["DEEPBIRD_NATIVE"] = "0"
    report("NumPy", timed(lambda: state.apply(keys, values), options.rounds))
    if not options.no_tensorflow:
        import tensorflow as tf

        from deepbird_v2.layers.discretizer import Discretizer

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        layer = tf.function(Discretizer.from_state(state).call)
        splits = np.arange(0, options.values + 1, 500)
        columns = [tf.RaggedTensor.from_row_splits(c, splits) for c in (keys, values)]
        layer(*columns)
        report("Keras layer (graph)", timed(lambda: layer(*columns), options.rounds))


if __name__ == "__main__":
    main()
