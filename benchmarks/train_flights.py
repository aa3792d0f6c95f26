"""Training the flights model: samples a second of v2 and of the same step in NumPy and SciPy.

    python benchmarks/train_flights.py [--steps 200] [--threads 1]

v2 reads, decodes, discretizes, trains, all inside the clock. The other side is what one would write
by hand for v1's step: SciPy sparse products, NumPy for the rest, and an Adagrad that touches the
whole table, as Torch's does; once with the same reading inside the clock, and once from batches
that were ready before.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

FLIGHTS = Path(__file__).parents[1] / "golden" / "flights"
DATA = FLIGHTS / "train_first_50_batches.lzo"
BATCH, RATE = 128, 0.05


def v2(steps: int, workers: int) -> tuple[float, float]:
    """Samples a second with TensorFlow's noise, and with Torch's."""
    import tensorflow as tf

    import legacy_yaml
    from deepbird_v2.data.dataset import block_format_dataset
    from deepbird_v2.training import Replay, TorchStream, Trainer
    from migrate.converter import convert
    from migrate.optim import make_optimizer
    from migrate.records import find_features
    from migrate.trainable import Trainable, noise_uses
    from verify.seeded import calibration_of, criterion_of, seeded_network

    config = legacy_yaml.load(FLIGHTS / "flights.yaml")
    rates = []
    for torch_noise in (False, True):
        module = seeded_network(config, calibration_of(FLIGHTS / "flights.t7"))
        features = find_features(FLIGHTS / "flights.yaml")
        converted = convert(module, features=features)
        trainable = Trainable(converted)
        criterion = convert(criterion_of(config.criterion), [np.zeros((2, 1), "float32")] * 2)
        trainer = Trainer(
            converted.model,
            lambda y, t, loss=criterion.model: loss([y, t], training=True),
            make_optimizer("adagrad", {"learningRate": RATE}, trainable),
            variables=trainable.variables,
            replay=Replay(converted.model, noise_uses(converted)) if torch_noise else None,
            stream=TorchStream(777) if torch_noise else None,
        )
        data = iter(
            block_format_dataset(DATA, features, BATCH, repeat=True, workers=workers, prefetch=8)
        )
        for batch in itertools.islice(data, 20):
            trainer.step(*batch)
        start = time.perf_counter()
        for batch in itertools.islice(data, steps):
            loss = trainer.step(*batch)[0]
        assert tf.math.is_finite(loss)
        rates.append(steps * BATCH / (time.perf_counter() - start))
    return rates[0], rates[1]


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


def plain(steps: int) -> tuple[float, float]:
    """Samples a second of the step by hand: with decoding and discretizing, and without."""
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

    def rate(batches: Iterator[tuple[Any, np.ndarray]]) -> float:
        model = Plain(np.random.default_rng(1))
        for x, labels in itertools.islice(batches, 20):
            model.step(x, labels)
        begin = time.perf_counter()
        for x, labels in itertools.islice(batches, steps):
            loss = model.step(x, labels)
        assert np.isfinite(loss)
        return steps * BATCH / (time.perf_counter() - begin)

    passes = itertools.chain.from_iterable(read() for _ in itertools.count())
    return rate(passes), rate(itertools.cycle(list(read())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1, help="of TensorFlow's operations")
    parser.add_argument("--workers", type=int, default=1, help="that decode")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    for _ in range(options.rounds):
        by_hand = plain(options.steps)
        own, replayed = v2(options.steps, options.workers)
        print(
            f"samples/s: v2 {own:,.0f}, v2 with Torch's noise {replayed:,.0f}, "
            f"NumPy and SciPy {by_hand[0]:,.0f}, from batches that were ready {by_hand[1]:,.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
