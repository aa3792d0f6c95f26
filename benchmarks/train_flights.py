"""Training the flights model: samples a second of v2 and of the same step in NumPy and SciPy.

    python benchmarks/train_flights.py [--steps 1000] [--rounds 5]

v2 reads, decodes, discretizes, trains, all inside the clock. The other side is what one would write
by hand for v1's step: SciPy sparse products, NumPy for the rest, and an Adagrad that touches the
whole table, as Torch's does; once with the same reading inside the clock, and once from batches
that were ready before. Each figure comes from a process of its own (TensorFlow's input pipeline
sets the C library's allocator so that NumPy in the same process is slower), all take turns, and the
clock starts when the step is warm.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

FLIGHTS = Path(__file__).parents[1] / "golden" / "flights"
DATA = FLIGHTS / "train_first_50_batches.lzo"
BATCH, RATE, WARM = 128, 0.05, 128


def v2(steps: int, threads: int, *, torch_noise: bool) -> float:
    """Samples a second with TensorFlow's noise, or with Torch's."""
    import tensorflow as tf

    import legacy_yaml
    from deepbird_v2.data.dataset import block_format_dataset
    from deepbird_v2.training import Replay, TorchStream, Trainer
    from migrate.converter import convert
    from migrate.optim import make_optimizer
    from migrate.records import find_features
    from migrate.trainable import Trainable, noise_uses
    from verify.seeded import calibration_of, criterion_of, seeded_network

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    config = legacy_yaml.load(FLIGHTS / "flights.yaml")
    module = seeded_network(config, calibration_of(FLIGHTS / "flights.t7"))
    features = find_features(FLIGHTS / "flights.yaml")
    converted = convert(module, features=features)
    trainable = Trainable(converted)
    criterion = convert(criterion_of(config.criterion), [np.zeros((2, 1), "float32")] * 2)
    trainer = Trainer(
        converted.model,
        lambda y, t: criterion.model([y, t], training=True),
        make_optimizer("adagrad", {"learningRate": RATE}, trainable),
        variables=trainable.variables,
        replay=Replay(converted.model, noise_uses(converted)) if torch_noise else None,
        stream=TorchStream(777) if torch_noise else None,
    )
    data = block_format_dataset(DATA, features, BATCH, repeat=True)
    losses = trainer.run(data.take(WARM + steps))
    for _ in range(WARM):
        next(losses)
    start = time.perf_counter()
    *_, last = losses
    assert np.isfinite(last)
    return steps * BATCH / (time.perf_counter() - start)


class Plain:
    """The step by hand."""

    def __init__(self, rng: np.random.Generator) -> None:
        sizes = [(4096, 48), (48, 32), (32, 16), (16, 1)]
        self.weights = [rng.normal(0, 0.1, s).astype("float32") for s in sizes]
        self.biases = [np.zeros(s[1], "float32") for s in sizes]
        self.slopes = [np.full(1, 0.25, "float32") for _ in sizes[:-1]]
        self.params = [*self.weights, *self.biases, *self.slopes]
        self.squares = [np.zeros_like(p) for p in self.params]
        self.rng = rng

    def step(self, x: Any, labels: np.ndarray) -> float:
        """Forward, backward, Adagrad; the loss."""
        inputs, sums, mask, h = [], [], None, x
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            inputs.append(h)
            z = h @ w + b
            sums.append(z)
            h = np.where(z > 0, z, self.slopes[i] * z) if i < 3 else 1 / (1 + np.exp(-z))
            if i == 1:
                mask = (self.rng.random(h.shape, "float32") <= 0.9) / np.float32(0.9)
                h = h * mask
        g = (h - labels) / np.float32(labels.size)
        grads: list[list[Any]] = [[], [], []]
        for i in (3, 2, 1, 0):
            if i < 3:
                if i == 1:
                    g = g * mask
                low = sums[i] <= 0
                grads[2].insert(0, (g * sums[i])[low].sum(keepdims=True))
                g = np.where(low, self.slopes[i] * g, g)
            grads[0].insert(0, np.asarray(inputs[i].T @ g))
            grads[1].insert(0, g.sum(axis=0))
            g = g @ self.weights[i].T if i else g
        flat = [*grads[0], *grads[1], *grads[2]]
        for p, s, grad in zip(self.params, self.squares, flat, strict=True):
            s += grad * grad
            p -= RATE * grad / (np.sqrt(s) + 1e-10)
        return float(-np.mean(np.log(np.where(labels > 0, h, 1 - h) + 1e-12)))


def plain(steps: int, *, ready: bool) -> float:
    """Samples a second of the step by hand: with decoding and discretizing, or without."""
    from scipy.sparse import csr_array

    from deepbird_v2.data.block_format import read_records
    from deepbird_v2.data.decode import decode_batch
    from migrate import load_t7
    from migrate.graph import build
    from migrate.records import find_features
    from verify.oracle import Oracle

    features = find_features(FLIGHTS / "flights.yaml")
    discretizer = Oracle(build(load_t7(FLIGHTS / "flights.t7")).children[0])

    def read() -> Iterator[tuple[Any, np.ndarray]]:
        records = iter(read_records(DATA))
        while chosen := list(itertools.islice(records, BATCH)):
            batch = decode_batch(chosen, features)
            rows = discretizer.forward(batch)
            x = csr_array((rows.value, rows.key, rows.row_splits), shape=(len(batch), 4096))
            yield x, batch.labels

    passes = itertools.chain.from_iterable(read() for _ in itertools.count())
    batches = itertools.cycle(list(read())) if ready else passes
    model = Plain(np.random.default_rng(1))
    for x, labels in itertools.islice(batches, WARM):
        model.step(x, labels)
    start = time.perf_counter()
    for x, labels in itertools.islice(batches, steps):
        loss = model.step(x, labels)
    assert np.isfinite(loss)
    return steps * BATCH / (time.perf_counter() - start)


SIDES = {
    "v2": lambda options: v2(options.steps, options.threads, torch_noise=False),
    "v2 with Torch's noise": lambda options: v2(options.steps, options.threads, torch_noise=True),
    "NumPy and SciPy": lambda options: plain(options.steps, ready=False),
    "NumPy and SciPy, batches ready": lambda options: plain(options.steps, ready=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1, help="of TensorFlow's operations")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", choices=SIDES, help="measure this one alone")
    options = parser.parse_args()
    if options.side:
        print(SIDES[options.side](options))
        return
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    rates: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(options.rounds):
        for side, known in rates.items():
            command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
            done = subprocess.run(
                command,
                env=quiet,
                check=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            known.append(float(done.stdout.split()[-1]))
    reference = statistics.median(rates["NumPy and SciPy"])
    print(f"samples/s of {options.rounds} rounds: lowest, median, highest; median over NumPy's")
    for side, known in rates.items():
        middle = statistics.median(known)
        figures = f"{min(known):>10,.0f}{middle:>10,.0f}{max(known):>10,.0f}"
        print(f"{side:32}{figures}{middle / reference:8.2f}")


if __name__ == "__main__":
    main()
