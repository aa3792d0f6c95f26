"""Reading ``.t7`` files beside ``torchfile``, on files that this program writes first.

Run: ``python benchmarks/t7_read.py``. Every time is the median of several runs in CPU seconds, the
two readers by turns, each run in a process of its own; a ratio below 1 means that ours is faster.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from migrate import t7

RUNS = 5


def small_table() -> Any:
    rng = random.Random(0)
    return {f"entry{i}": rng.random() for i in range(300_000)}


def mixed_table() -> Any:
    rng = random.Random(0)
    return {
        (float(i) if i % 3 else f"key{i}"): (f"value{i}" if i % 2 else rng.random())
        for i in range(300_000)
    }


def number_table() -> Any:
    return {float(i): i * 0.5 for i in range(300_000)}


def many_tables() -> Any:
    return [{"a": 1.0, "b": "x"} for _ in range(200_000)]


def small_tensors() -> Any:
    return [np.arange(5, dtype=np.float32) for _ in range(20_000)]


def modules() -> Any:
    def linear() -> t7.TorchObject:
        fields = t7.Table(weight=np.ones((4, 3)), bias=np.ones(4), train=True, _type="x")
        return t7.TorchObject("nn.Linear", 1, fields)

    layers = t7.Table((float(i), linear()) for i in range(1, 2001))
    return t7.TorchObject("nn.Sequential", 1, t7.Table(modules=layers))


def large_model() -> Any:
    return {f"layer{i}": np.zeros((1000, 2500), np.float64) for i in range(10)}


def convolution() -> Any:
    rng = np.random.default_rng(0)
    return {f"conv{i}": rng.normal(size=(128, 128, 3, 3)).astype(np.float32) for i in range(13)}


JOBS: dict[str, tuple[str, Callable[[], Any], str]] = {
    "table": ("table of 300,000 strings -> numbers", small_table, "binary"),
    "mixed": ("table of 300,000, numbers and short strings", mixed_table, "binary"),
    "numbers": ("table of 300,000 numbers -> numbers", number_table, "binary"),
    "tables": ("200,000 small tables", many_tables, "binary"),
    "tensors": ("20,000 small tensors", small_tensors, "binary"),
    "modules": ("2,000 modules", modules, "binary"),
    "large": ("model of 200 MB, opened", large_model, "binary"),
    "ascii": ("convolutions in ascii, 1.9 million numbers", convolution, "ascii"),
}


def load_with(reader: str, path: str) -> None:
    """One run, in this process: prints the seconds and the growth of memory in MB."""
    if reader == "ours":
        load: Callable[[str], Any] = t7.load
    else:
        import torchfile

        load = torchfile.load
    memory = psutil.Process().memory_info
    before = memory().rss
    start = time.process_time()
    value = load(path)
    seconds = time.process_time() - start
    grown = (memory().rss - before) / 1e6
    print(json.dumps([seconds, grown]))
    del value


def measure(reader: str, path: Path) -> tuple[float, float] | None:
    command = [sys.executable, __file__, reader, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        return None
    seconds, grown = json.loads(result.stdout)
    return seconds, grown


def main() -> None:
    print(f"{'file':<46}{'MB':>7}{'ours':>10}{'torchfile':>11}{'ratio':>7}", end="")
    print(f"{'RSS +MB':>10}{'theirs':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (title, make, mode) in JOBS.items():
            path = Path(folder) / f"{name}.t7"
            t7.save(path, make(), mode=mode)
            ours, theirs = [], []
            for _ in range(RUNS):
                ours.append(measure("ours", path))
                theirs.append(measure("torchfile", path))
            report(title, path.stat().st_size / 1e6, ours, theirs)
            path.unlink()


def report(title: str, size: float, ours: list[Any], theirs: list[Any]) -> None:
    seconds, grown = (statistics.median(column) for column in zip(*ours, strict=True))
    line = f"{title:<46}{size:>7.1f}{seconds:>9.3f}s"
    if None in theirs:
        print(f"{line}{'fails':>11}{'':>7}{grown:>10.1f}")
        return
    peer, peer_grown = (statistics.median(column) for column in zip(*theirs, strict=True))
    print(f"{line}{peer:>10.3f}s{seconds / peer:>7.2f}{grown:>10.1f}{peer_grown:>8.1f}")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        load_with(sys.argv[1], sys.argv[2])
    else:
        main()
