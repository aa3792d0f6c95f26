"""From a compressed file to batches: where the time goes, container to tf.data.

Run ``python benchmarks/decode_files.py``. The records are those of ``decode_records.py``; shares
are of the time from the file to one columnar batch.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from decode_records import make_record, timed

from deepbird_v2.data import FeatureConfig, decode_batch, read_records, write_records
from deepbird_v2.data.block_format import scan_blocks
from deepbird_v2.data.compression import decompress
from deepbird_v2.data.features import Feature

if TYPE_CHECKING:
    from collections.abc import Callable


def dataset_pass(path: Path, config: FeatureConfig, **options: Any) -> Callable[[], None]:
    """One pass of the tf.data pipeline in batches of 256."""
    from deepbird_v2.data.dataset import block_format_dataset

    dataset = block_format_dataset(path, config, 256, **options)

    def run() -> None:
        for _ in dataset:
            pass

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-tensorflow", action="store_true")
    options = parser.parse_args()
    rng = np.random.default_rng(7)
    ids = rng.integers(-(2**63), 2**63, 595)
    config = FeatureConfig(features=tuple(Feature(id_) for id_ in ids.tolist()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.lzo"
        write_records(path, [make_record(ids, rng) for _ in range(options.records)])
        packed = path.read_bytes()
        plain = decompress(packed)
        records = scan_blocks(plain)[0]
        rows: dict[str, Callable[[], Any]] = {
            "decompress lzop": lambda: decompress(packed),
            "find records": lambda: scan_blocks(plain),
            "decode": lambda: decode_batch(records, config),
            "file to batch": lambda: decode_batch(read_records(path), config),
        }
        if not options.no_tensorflow:
            rows["tf.data, in order"] = dataset_pass(path, config)
            rows["tf.data, shuffled, two workers"] = dataset_pass(
                path, config, shuffle=True, seed=1, workers=2
            )
        print(
            f"{len(records)} records, {len(packed) / 1e6:.1f} MB, {len(plain) / 1e6:.1f} MB plain"
        )
        print(f"{'':32}{'ms':>10}{'records/s':>12}{'MB/s':>8}")
        for name, work in rows.items():
            seconds = statistics.median(timed(work, options.rounds))
            rate, mb = len(records) / seconds, len(plain) / 1e6 / seconds
            print(f"{name:32}{seconds * 1e3:10.1f}{rate:12,.0f}{mb:8,.0f}")


if __name__ == "__main__":
    main()
