"""What a call costs: the predictor beside NumPy and TensorFlow.

``python benchmarks/serve_models.py [FOLDER]``, by default on the flights model; ``--golden`` on the
golden models that LiteRT serves instead. One thread. All rows of a table come from one run in which
the contestants take turns in changing order, so compare ratios.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402 - reads the variables above

FLIGHTS = Path("golden/flights/flights.t7")
GOLDEN = Path("golden/models")
CONVOLUTIONS = ("lenet", "resnet_small", "inception_like", "temporal_text_cnn")
Work = dict[str, Callable[[], Any]]
BATCHES = (1, 32, 256)


def race(title: str, work: Work, seconds: float) -> None:
    """Let the contestants take turns; print p50 and p99, and their ratios to the first one's.

    The order is drawn anew each time: who follows the engine with the largest weights finds the
    caches cold.
    """
    took: dict[str, list[float]] = {name: [] for name in work}
    for call in work.values():
        call()
    order, rng = list(work), np.random.default_rng(0)
    late = time.perf_counter() + seconds
    while time.perf_counter() < late:
        rng.shuffle(order)
        for name in order:
            start = time.perf_counter()
            work[name]()
            took[name].append(time.perf_counter() - start)
    first = np.percentile(next(iter(took.values())), [50, 99])
    for name, times in took.items():
        p50, p99 = found = np.percentile(times, [50, 99])
        ratios = "".join(f"{ratio:8.2f}" for ratio in found / first)
        print(
            f"{title:24}{name:34}{p50 * 1e6:8.0f}{p99 * 1e6:8.0f}{ratios}{len(times):7}", flush=True
        )


def flights_in_numpy(model: Any) -> Callable[[Any], Any]:
    """The same network, written by hand with NumPy alone."""
    layers: dict[str, list[Any]] = {type(layer).__name__: [] for layer in model.layers}
    for layer in model.layers:
        layers[type(layer).__name__].append(layer)
    state = layers["PercentileDiscretizer"][0].state()
    isotonic = layers["Isotonic"][0]
    xs, ys = np.asarray(isotonic.xs), np.asarray(isotonic.ys)
    (sparse,) = layers["FullSparse"]
    dense = [(np.asarray(d.kernel), np.asarray(d.bias)) for d in layers["Dense"]]
    slopes = [np.asarray(p.alpha) for p in layers["PReLU"]]
    table, bias = np.asarray(sparse.kernel), np.asarray(sparse.bias)

    def run(batch: Any) -> Any:
        ids, values = state.apply(batch.key, batch.value)
        x = np.empty((len(batch), table.shape[1]), np.float32)
        splits = batch.row_splits.tolist()
        for row, (start, end) in enumerate(itertools.pairwise(splits)):
            x[row] = values[start:end] @ table[ids[start:end]]
        x += bias
        x = np.where(x > 0, x, slopes[0] * x)
        for (kernel, shift), slope in zip(dense, [*slopes[1:], None], strict=True):
            x = x @ kernel + shift
            if slope is not None:
                x = np.where(x > 0, x, slope * x)
        score = 1 / (1 + np.exp(-x))
        return score, np.interp(score, xs, ys)

    return run


def serve_records(folder: Path, requests: Path, seconds: float) -> None:
    """DataRecords: decoded already, and from bytes."""
    from deepbird_v2.data import RecordBuffer, decode_batch, read_records
    from deepbird_v2.export import load_keras
    from deepbird_v2.serving.predictor import Predictor

    fast, slow = Predictor.load(folder, "compiled"), Predictor.load(folder, "tensorflow")
    by_hand = flights_in_numpy(load_keras(folder / "model.keras"))
    records = list(read_records(requests))
    for size in (*BATCHES, 200):
        some = RecordBuffer.join(records[:size])
        batch = decode_batch(some, fast.features)
        score = by_hand(batch)[0][:, 0]
        assert np.abs(fast.predict(batch)["prediction.score"] - score).max() < 2e-6
        race(
            f"flights, {size} records",
            {
                "NumPy by hand": lambda batch=batch: by_hand(batch),
                "predictor, compiled": lambda batch=batch: fast.predict(batch),
                "predictor, compiled, from bytes": lambda some=some: fast.predict_records(some),
                "predictor, tensorflow": lambda batch=batch: slow.predict(batch),
            },
            seconds,
        )


def serve_mlp(seconds: float) -> None:
    """A model of tensors: 1000-400-200-100-1 with PReLU."""
    import keras

    from deepbird_v2.layers.prelu import PReLU
    from deepbird_v2.serving.predictor import Predictor

    x = inputs = keras.Input([1000], name="x")
    for units in (400, 200, 100):
        x = PReLU(units)(keras.layers.Dense(units)(x))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    weights = [(np.asarray(d.kernel), np.asarray(d.bias)) for d in dense]
    slopes = [np.asarray(p.alpha) for p in model.layers if isinstance(p, PReLU)]

    def by_hand(x: Any) -> Any:
        for (kernel, bias), slope in zip(weights, slopes, strict=False):
            x = x @ kernel + bias
            x = np.where(x > 0, x, slope * x)
        return x @ weights[-1][0] + weights[-1][1]

    fast = Predictor(model, None, backend="compiled")
    slow = Predictor(model, None, backend="tensorflow")
    for size in BATCHES:
        x = np.random.default_rng(1).normal(size=(size, 1000)).astype(np.float32)
        race(
            f"MLP, batch {size}",
            {
                "NumPy by hand": lambda x=x: by_hand(x),
                "predictor, compiled": lambda x=x: fast.predict_tensors({"x": x}),
                "predictor, tensorflow": lambda x=x: slow.predict_tensors({"x": x}),
            },
            seconds,
        )


def serve_golden(name: str, seconds: float) -> None:
    """A golden model outside the compiled plan: TensorFlow beside LiteRT, which has to agree."""
    from deepbird_v2.serving.gate import sample_tensors
    from deepbird_v2.serving.indices import index_ranges
    from deepbird_v2.serving.predictor import Predictor
    from verify.golden_case import Case

    model = Case(GOLDEN / name).converted.model
    start = time.perf_counter()
    fast = Predictor(model, None)
    print(f"{name:24}{fast.choice} (loaded in {time.perf_counter() - start:.2f} s)")
    slow = Predictor(model, None, backend="tensorflow")
    for size in BATCHES:
        fixed = {n: ((size, *shape[1:]), dtype) for n, (shape, dtype) in fast.inputs.items()}
        inputs = next(sample_tensors(fixed, index_ranges(model)))
        race(
            f"{name}, batch {size}",
            {
                "predictor, tensorflow": lambda inputs=inputs: slow.predict_tensors(inputs),
                f"predictor, {fast.backend.name}": lambda i=inputs: fast.predict_tensors(i),
            },
            seconds,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="a DataRecord model; default: flights")
    parser.add_argument("--requests", type=Path, default=Path("golden/flights/requests.lzo"))
    parser.add_argument("--seconds", type=float, default=5.0, help="a table")
    parser.add_argument("--golden", action="store_true", help="golden models with convolutions")
    options = parser.parse_args()
    print(f"{'':58}{'p50 us':>8}{'p99 us':>8}{'p50':>8}{'p99':>8}{'calls':>7}")
    if options.golden:
        for name in CONVOLUTIONS:
            serve_golden(name, options.seconds)
        return
    from migrate.converter import convert
    from migrate.export import export

    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or export(convert(FLIGHTS), Path(scratch) / "flights")
        serve_records(folder, options.requests, options.seconds)
    serve_mlp(options.seconds)


if __name__ == "__main__":
    main()
