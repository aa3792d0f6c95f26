"""Recorded traffic, end to end: container, compression, columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deepbird_v2.data import Batch, FeatureConfig, decode_batch, open_records, read_records
from deepbird_v2.data.record import decode_record

if TYPE_CHECKING:
    from pathlib import Path


def test_requests(flights: Path, either_core: str) -> None:
    config = FeatureConfig.from_features_json(flights / "features.json")
    batch = decode_batch(read_records(flights / "requests.lzo"), config)
    assert (len(batch), batch.nnz) == (2500, 69421)
    assert set(batch.labels.ravel()) == {0.0, 1.0}
    assert set(batch.kind.tolist()) == {1, 2, 3, 4, 5, 6}
    assert set(batch.field.tolist()) == set(config.ids)
    known = [batch.select(split.ids) for split in config.splits]
    assert sum(part.nnz for part in known) == batch.nnz


def test_columns_hold_what_objects_hold(flights: Path, either_core: str) -> None:
    config = FeatureConfig.from_features_json(flights / "features.json")
    records = list(open_records(flights / "requests.lzo"))[:200]
    batch = decode_batch(records, config)
    for row, data in enumerate(records):
        record = decode_record(data)
        span = slice(int(batch.row_splits[row]), int(batch.row_splits[row + 1]))
        kind, field, value = batch.kind[span], batch.field[span], batch.value[span]
        found = dict(zip(field[kind == 2].tolist(), value[kind == 2].tolist(), strict=True))
        label = config.labels[0].id
        wanted = {id_: v for id_, v in record.continuous.items() if id_ != label}
        assert found == wanted
        assert set(field[kind == 1].tolist()) == record.binary - {label}
        assert (kind == 3).sum() == len(record.discrete)
        assert (kind == 4).sum() == len(record.string)
        assert (kind == 5).sum() == sum(map(len, record.sparse_binary.values()))
        assert (kind == 6).sum() == sum(map(len, record.sparse_continuous.values()))


def test_a_file_in_parts_is_the_file(flights: Path, either_core: str) -> None:
    config = FeatureConfig.from_features_json(flights / "features.json")
    records = read_records(flights / "split_train_first_30_batches.lzo")
    whole = decode_batch(records, config)
    parts = Batch.concat(
        decode_batch(records[at : at + 128], config) for at in range(0, len(records), 128)
    )
    np.testing.assert_array_equal(whole.key, parts.key)
    np.testing.assert_array_equal(whole.row_splits, parts.row_splits)
    np.testing.assert_array_equal(whole.labels, parts.labels)
