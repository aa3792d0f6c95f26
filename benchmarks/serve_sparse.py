"""The sparse first layer beside PyTorch's EmbeddingBag, where PyTorch is installed.

Run ``python benchmarks/serve_sparse.py``: 256 rows of 1,000 ids each, a table of 2^20 x 100 floats.
Every id is a random row of a table that no cache holds, so memory sets the limit. One thread.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402 - reads the variables above

from deepbird_v2.serving.kernels import GatherSum, Rows  # noqa: E402 - after NumPy


def embedding_bag(table: Any, rows: Rows) -> Callable[[], Any] | None:
    """PyTorch's sum of weighted rows, or None without PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    bag = torch.nn.EmbeddingBag.from_pretrained(
        torch.from_numpy(table), mode="sum", include_last_offset=True
    )
    ids, values, splits = map(torch.from_numpy, rows)

    def call() -> Any:
        with torch.inference_mode():
            return bag(ids, splits, per_sample_weights=values).numpy()

    return call


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--units", type=int, nargs="*", default=[48, 100])
    options = parser.parse_args()
    rng = np.random.default_rng(2)
    rows = Rows(
        rng.integers(0, 2**20, 256_000),
        rng.normal(size=256_000).astype(np.float32),
        np.arange(0, 256_001, 1000),
    )
    for units in options.units:
        table = rng.normal(size=(2**20, units)).astype(np.float32)
        layer = GatherSum(table, None)
        contestants: dict[str, Callable[[], Any]] = {
            "this package": lambda layer=layer: layer(rows)
        }
        bag = embedding_bag(table, rows)
        if bag is not None:
            contestants["torch EmbeddingBag"] = bag
        contestants["NumPy, row by row"] = lambda table=table: np.stack(
            [rows.values[s : s + 1000] @ table[rows.ids[s : s + 1000]] for s in rows.splits[:-1]]
        )
        took: dict[str, list[float]] = {name: [] for name in contestants}
        for call in contestants.values():
            np.testing.assert_allclose(call(), layer(rows), atol=1e-3)
        for _ in range(options.rounds):
            for name, call in contestants.items():
                start = time.perf_counter()
                call()
                took[name].append(time.perf_counter() - start)
        for name, seconds in took.items():
            p50 = np.median(seconds) * 1e3
            print(f"{units:4} units  {name:22}p50 {p50:8.1f} ms  best {min(seconds) * 1e3:8.1f} ms")


if __name__ == "__main__":
    main()
