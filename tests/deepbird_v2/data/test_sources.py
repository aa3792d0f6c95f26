"""Order, batching and error places, without TensorFlow."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING

import numpy as np
import pytest

from deepbird_v2.data import DataError, Feature, FeatureConfig, encode_predictions, write_records
from deepbird_v2.data.sources import decode_group, ordered_groups, shuffled_groups

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from deepbird_v2.data.sources import Group

CONFIG = FeatureConfig(features=(Feature(1),))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three files with 7, 0 and 16 records that count up."""
    paths = [tmp_path / f"part-{i}.lzo" for i in range(3)]
    for path, span in zip(paths, (range(7), range(0), range(7, 23)), strict=True):
        write_records(path, encode_predictions({1: list(span)}), records_per_block=4)
    return paths


def drain(groups: Iterable[Group]) -> list[list[float]]:
    decoded = [decode_group(group, CONFIG, strict=True, on_error="raise") for group in groups]
    return [batch.value.tolist() for batch in decoded]


@pytest.mark.parametrize("batch_size", [1, 4, 7, 10, 23, 100])
def test_file_order(files: list[Path], batch_size: int) -> None:
    found = drain(ordered_groups(files, batch_size, strict=True))
    assert functools.reduce(operator.iadd, found, []) == list(range(23))
    assert all(len(batch) == batch_size for batch in found[:-1])


@pytest.mark.parametrize("buffer", [1, 3, 1000])
def test_shuffled(files: list[Path], buffer: int) -> None:
    def order(seed: int) -> list[list[float]]:
        rng = np.random.default_rng(seed)
        return drain(shuffled_groups(files, 5, rng, buffer, strict=True))

    assert sorted(functools.reduce(operator.iadd, order(1), [])) == list(range(23))
    assert order(1) == order(1)
    assert len({str(order(seed)) for seed in range(8)}) > 1
    assert [len(batch) for batch in order(2)] == [5, 5, 5, 5, 3]


def test_a_large_window_mixes_everything(files: list[Path]) -> None:
    first = [
        drain(shuffled_groups(files, 1, np.random.default_rng(seed), 100, strict=True))[0][0]
        for seed in range(200)
    ]
    assert len(set(first)) > 20


def test_errors_name_the_file_and_the_record(files: list[Path]) -> None:
    records = encode_predictions({1: [0.0, 1.0, 2.0]})
    records[1] = records[1][:-2]
    write_records(files[1], records)
    for groups in (
        ordered_groups(files, 4, strict=True),
        shuffled_groups(files, 4, np.random.default_rng(0), 3, strict=True),
    ):
        with pytest.raises(DataError, match=r"part-1\.lzo: record 1, byte 3: count 1 cannot fit"):
            drain(groups)
