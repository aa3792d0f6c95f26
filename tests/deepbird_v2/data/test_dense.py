from __future__ import annotations

import numpy as np
import pytest

from deepbird_v2.data import Feature, FeatureConfig, FeatureKind, decode_batch
from deepbird_v2.data.dense import dense_column, dense_values
from deepbird_v2.data.record import DataRecord, encode_record

RECORDS = [
    DataRecord(continuous={1: 0.5, 2: float("nan")}, discrete={1: 4}, string={1: b"x"}),
    DataRecord(binary={3}, continuous={2: 2.5}),
]


def test_values() -> None:
    config = FeatureConfig(features=tuple(map(Feature, (1, 2, 3))))
    batch = decode_batch([encode_record(record) for record in RECORDS], config)
    expected = [[-1, 0.5, -1], [1, -1, 2.5]]  # the NaN was dropped, the discrete 4 is no value
    np.testing.assert_array_equal(dense_values(batch, [3, 1, 2], default=-1), expected)
    assert dense_values(batch, []).shape == (2, 0)


@pytest.mark.parametrize(
    ("kind", "default", "expected"),
    [
        (FeatureKind.CONTINUOUS, -1.0, [0.5, -1.0]),
        (FeatureKind.DISCRETE, -1, [4, -1]),
        (FeatureKind.STRING, b"", [b"x", b""]),
        (FeatureKind.BINARY, None, [False, False]),
    ],
)
def test_columns(kind: FeatureKind, default: object, expected: list[object]) -> None:
    assert dense_column(RECORDS, 1, kind, default=default).tolist() == expected


def test_sparse_kinds_have_no_column() -> None:
    with pytest.raises(ValueError, match="several values"):
        dense_column(RECORDS, 1, FeatureKind.SPARSE_BINARY, default=None)
