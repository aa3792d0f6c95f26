"""How fast DataRecords are decoded: native, Python, thriftpy2, and the limit memory sets.

Run ``python benchmarks/decode_records.py``. The record is 10.3 kB: 500 continuous, 50 binary,
20 discrete, 10 string, 10 sparse binary features with 5 strings each and 5 sparse continuous
features with 5 entries each; every feature is kept. One thread unless the row says otherwise.
"""

from __future__ import annotations

import argparse
import os
import statistics
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import thriftpy2
from thriftpy2.protocol.cybin import TCyBinaryProtocol
from thriftpy2.transport.memory import TCyMemoryBuffer

from deepbird_v2.data import FeatureConfig, decode_batch, idl_path
from deepbird_v2.data.backend import backend
from deepbird_v2.data.features import Feature

if TYPE_CHECKING:
    from collections.abc import Callable


def make_record(ids: np.ndarray, rng: np.random.Generator) -> bytes:
    """One encoded record with the features `ids` [595]."""
    take = iter(ids.tolist())

    def text() -> bytes:
        value = b"value_%06d" % rng.integers(1_000_000)
        return struct.pack(">i", len(value)) + value

    def i64() -> bytes:
        return struct.pack(">q", next(take))

    out = [struct.pack(">BhBi", 14, 1, 10, 50), *(i64() for _ in range(50))]
    out.append(struct.pack(">BhBBi", 13, 2, 10, 4, 500))
    out += [i64() + struct.pack(">d", rng.normal()) for _ in range(500)]
    out.append(struct.pack(">BhBBi", 13, 3, 10, 10, 20))
    out += [i64() + struct.pack(">q", rng.integers(1000)) for _ in range(20)]
    out.append(struct.pack(">BhBBi", 13, 4, 10, 11, 10))
    out += [i64() + text() for _ in range(10)]
    out.append(struct.pack(">BhBBi", 13, 5, 10, 14, 10))
    for _ in range(10):
        out += [i64(), struct.pack(">Bi", 11, 5), *(text() for _ in range(5))]
    out.append(struct.pack(">BhBBi", 13, 6, 10, 13, 5))
    for _ in range(5):
        out += [i64(), struct.pack(">BBi", 11, 4, 5)]
        out += [text() + struct.pack(">d", rng.normal()) for _ in range(5)]
    return b"".join(out) + b"\0"


def timed(work: Callable[[], Any], rounds: int) -> list[float]:
    """Seconds of each round, after one to warm up."""
    work()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def thriftpy_decoder(records: list[bytes]) -> Callable[[], None]:
    """Decodes to thriftpy2 objects with its Cython protocol."""
    record_type = thriftpy2.load(str(idl_path("data")), module_name="data_thrift").DataRecord

    def run() -> None:
        for record in records:
            record_type().read(TCyBinaryProtocol(TCyMemoryBuffer(record)))

    return run


def in_threads(records: list[bytes], config: FeatureConfig) -> Callable[[], Any]:
    """Half of the records on each of two threads."""
    pool = ThreadPoolExecutor(2)
    half = len(records) // 2
    halves = [records[:half], records[half:]]
    return lambda: list(pool.map(lambda part: decode_batch(part, config), halves))


def with_native(enabled: bool, work: Callable[[], Any]) -> Callable[[], Any]:
    """The same work on the chosen core."""

    def run() -> Any:
        os.environ["DEEPBIRD_NATIVE"] = "1" if enabled else "0"
        return work()

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    rng = np.random.default_rng(7)
    ids = rng.integers(-(2**63), 2**63, 595)
    records = [make_record(ids, rng) for _ in range(options.records)]
    config = FeatureConfig(features=tuple(Feature(id_) for id_ in ids.tolist()))
    size = sum(map(len, records))
    joined = b"".join(records)
    target = bytearray(size)

    def copy() -> None:
        target[:] = joined

    def decode() -> Any:
        return decode_batch(records, config)

    few = records[: max(1, options.records // 10)]
    rows: dict[str, tuple[Callable[[], Any], int]] = {}
    if backend() == "native":
        rows["native"] = (with_native(True, decode), len(records))
        rows["native, two threads"] = (with_native(True, in_threads(records, config)), len(records))
    rows["python fallback"] = (with_native(False, decode), len(records))
    rows["thriftpy2 (Cython) objects"] = (thriftpy_decoder(few), len(few))
    rows["memcpy"] = (copy, len(records))

    print(f"{len(records)} records of {size / len(records):.0f} bytes")
    print(f"{'':28}{'records/s':>12}{'best':>12}{'MB/s':>10}{'of memcpy':>11}")
    seconds = {name: timed(work, options.rounds) for name, (work, _) in rows.items()}
    limit = len(records) / statistics.median(seconds["memcpy"])
    for name, (_, count) in rows.items():
        rate = count / statistics.median(seconds[name])
        best = count / min(seconds[name])
        mb = rate * size / len(records) / 1e6
        print(f"{name:28}{rate:12,.0f}{best:12,.0f}{mb:10,.0f}{rate / limit:11.1%}")


if __name__ == "__main__":
    main()
