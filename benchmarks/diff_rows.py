"""Rows a second of a whole diff (1 M rows, 3 columns, ids in another order), beside a plain join.

The join is what pyarrow needs to bring the rows together and take the largest difference; the diff
adds percentiles, logits, order, distributions and the report.

Usage: python benchmarks/diff_rows.py [rows]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from verify.diff import diff
from verify.predictions import load_predictions
from verify.report import write_report

COLUMNS = ("score", "calibrated", "split")


def write_sets(folder: Path, rows: int) -> tuple[Path, Path]:
    """Write v1 and, in another order and with float32 noise, v2."""
    rng = np.random.default_rng(0)
    order = rng.permutation(rows)
    ids = np.arange(rows) * 7919
    v1 = {name: 1 / (1 + np.exp(-rng.normal(-2, 1, rows))) for name in COLUMNS}
    v2 = {name: v * (1 + rng.uniform(-1e-6, 1e-6, rows)) for name, v in v1.items()}
    paths = folder / "v1.parquet", folder / "v2.parquet"
    for path, columns, rows_ in ((paths[0], v1, np.arange(rows)), (paths[1], v2, order)):
        floats = {name: values[rows_].astype(np.float32) for name, values in columns.items()}
        pq.write_table(pa.table({"id": ids[rows_], **floats}), path)
    return paths


def plain_join(v1: Path, v2: Path) -> float:
    """Join by id with pyarrow and return the largest difference."""
    joined = pq.read_table(v1).join(pq.read_table(v2), "id", right_suffix="_v2")
    return max(
        pc.max(pc.abs(pc.subtract(joined[name], joined[f"{name}_v2"]))).as_py() for name in COLUMNS
    )


def full_diff(v1: Path, v2: Path) -> str:
    """Load, compare, and write all reports."""
    report = diff(load_predictions(v1), load_predictions(v2))
    write_report(report, v1.parent / "out")
    return report.verdict.status.value


def timed(name: str, rows: int, work: Callable[[], object]) -> float:
    """Print how fast something was, and return its seconds (best of two)."""
    seconds = []
    for _ in range(2):
        start, start_cpu = time.perf_counter(), time.process_time()
        result = work()
        seconds.append((time.perf_counter() - start, time.process_time() - start_cpu))
    best, cpu = min(seconds)
    rate = rows / best / 1e3
    print(f"{name:28s} {best:6.2f} s wall {cpu:6.2f} s CPU {rate:6.0f} k rows/s  {result}")
    return best


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        v1, v2 = write_sets(Path(folder), rows)
        join = timed("pyarrow join and max |d|", rows, lambda: plain_join(v1, v2))
        whole = timed("diff with reports", rows, lambda: full_diff(v1, v2))
        print(f"diff takes {whole / join:.1f} times the join")


if __name__ == "__main__":
    main()
