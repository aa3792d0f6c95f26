from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deepbird_v2.data import (
    Batch,
    Feature,
    FeatureConfig,
    RecordBuffer,
    decode_batch,
    encode_predictions,
)
from deepbird_v2.data.record import DataRecord, encode_record

CONFIG = FeatureConfig(features=tuple(map(Feature, (1, 2, 3))), labels=(Feature(9),))
RECORDS = [
    encode_record(DataRecord(continuous={1: 0.1, 2: 1e300, 9: 1.0})),
    encode_record(DataRecord()),
    encode_record(DataRecord(binary={3}, continuous={1: -0.0, 9: 0.0})),
]


@pytest.fixture
def batch() -> Batch:
    return decode_batch(RECORDS, CONFIG)


def test_columns(batch: Batch) -> None:
    assert (len(batch), batch.nnz) == (3, 4)
    assert batch.row.tolist() == [0, 0, 2, 2]
    assert batch.value.dtype == np.float64
    assert batch.value.tolist() == [0.1, 1e300, 1.0, -0.0]
    assert batch.value32.tolist() == [np.float32(0.1), np.inf, 1.0, -0.0]
    assert repr(batch) == "Batch(3 records, 4 features)"


@pytest.mark.parametrize(("start", "stop"), [(0, 3), (1, 3), (0, 1), (2, 2), (2, 1), (-1, None)])
def test_slices(batch: Batch, start: int, stop: int | None) -> None:
    part = batch[start:stop]
    alone = decode_batch(RECORDS[start:stop], CONFIG)
    for name in ("row_splits", "key", "value", "field", "kind", "labels", "weights"):
        np.testing.assert_array_equal(getattr(part, name), getattr(alone, name))


def test_slices_have_step_one(batch: Batch) -> None:
    with pytest.raises(ValueError, match="step 1"):
        batch[::2]


def test_concat_undoes_slicing(batch: Batch) -> None:
    whole = Batch.concat([batch[:1], batch[1:1], batch[1:]])
    np.testing.assert_array_equal(whole.row_splits, batch.row_splits)
    np.testing.assert_array_equal(whole.value, batch.value)
    np.testing.assert_array_equal(whole.labels, batch.labels)
    with pytest.raises(ValueError, match="nothing"):
        Batch.concat([])


def test_select(batch: Batch) -> None:
    part = batch.select([1])
    assert part.row_splits.tolist() == [0, 1, 1, 2]
    assert part.field.tolist() == [1, 1]
    np.testing.assert_array_equal(part.labels, batch.labels)
    assert batch.select([]).nnz == 0


def test_record_buffer() -> None:
    buffer = RecordBuffer.join(RECORDS)
    assert list(buffer) == RECORDS
    assert buffer[1] == RECORDS[1]
    assert list(buffer[1:]) == RECORDS[1:]
    shuffled = buffer[np.array([2, 0, 1])]
    assert decode_batch(shuffled, CONFIG).labels[:2].tolist() == [[0.0], [1.0]]
    with pytest.raises(ValueError, match="two equal vectors"):
        RecordBuffer(b"", np.zeros(1, np.int64), np.zeros(2, np.int64))


def test_threads_do_not_share_memory() -> None:
    def one(offset: int) -> bool:
        values = np.arange(20_000.0) + offset
        batch = decode_batch(encode_predictions({1: values}), CONFIG)
        return bool((batch.value == values).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(one, range(24)))


def test_memory_is_not_shared_between_batches() -> None:
    """Freed columns are used again, live ones never are."""
    many = [encode_record(DataRecord(continuous={1: float(i)})) for i in range(50_000)]
    first = decode_batch(many, CONFIG)
    second = decode_batch(many[::-1], CONFIG)
    expected = np.arange(50_000.0)
    np.testing.assert_array_equal(first.value, expected)
    del first
    third = decode_batch(many, CONFIG)
    np.testing.assert_array_equal(second.value, expected[::-1])
    np.testing.assert_array_equal(third.value, expected)
