"""Decoding against what the published runtime's hashed reader returned."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from deepbird_v2.data import (
    Batch,
    DecodeError,
    DecodeMode,
    Feature,
    FeatureConfig,
    RecordBuffer,
    decode_batch,
    decode_requests,
)
from deepbird_v2.data.decode import decode_request
from deepbird_v2.data.messages import BatchPredictionRequest, PredictionRequest
from deepbird_v2.data.record import DataRecord, encode_record

from .conftest import load, vector_config

if TYPE_CHECKING:
    from pathlib import Path

MODES = [0, 1]


def check_row(batch: Batch, row: int, expected: dict[str, Any], codes: dict[int, int]) -> None:
    span = slice(int(batch.row_splits[row]), int(batch.row_splits[row + 1]))
    assert batch.field[span].tolist() == expected["keys"]
    assert batch.key[span].tolist() == expected["transformed_keys"]
    assert batch.kind[span].tolist() == expected["types"]
    assert [codes[id_] for id_ in batch.field[span].tolist()] == expected["codes"]
    assert batch.value[span].tolist() == [float(v) for v in expected["values"]]
    np.testing.assert_array_equal(batch.labels[row], np.float32(expected["labels"]))
    np.testing.assert_array_equal(batch.weights[row], np.float32(expected["weights"]))


@pytest.mark.parametrize("mode", MODES)
def test_records(runtime: Path, either_core: str, mode: int) -> None:
    vectors = load(runtime / "datarecords.json")
    config = vector_config(vectors["config"], mode)
    codes = dict(zip(config.ids, vectors["config"]["keep_codes"], strict=True))
    records = [(runtime / record["file"]).read_bytes() for record in vectors["records"]]
    for given in (records, RecordBuffer.join(records)):
        batch = decode_batch(given, config)
        assert len(batch) == len(records) == 40
        for row, record in enumerate(vectors["records"]):
            check_row(batch, row, record[f"hashed_mode{mode}"], codes)


@pytest.mark.parametrize("mode", MODES)
def test_requests(runtime: Path, either_core: str, mode: int) -> None:
    vectors = load(runtime / "batch_prediction_requests.json")
    config = vector_config(vectors["config"], mode)
    codes = dict(zip(config.ids, vectors["config"]["keep_codes"], strict=True))
    for request in vectors["requests"]:
        batch = decode_requests((runtime / request["file"]).read_bytes(), config)
        expected = request[f"hashed_mode{mode}"]
        assert len(batch) == len(expected["requests"])
        for row, individual in enumerate(expected["requests"]):
            # Common features come first in every row.
            joined = {
                name: expected["common"][name] + individual[name]
                for name in ("keys", "transformed_keys", "values", "codes", "types")
            }
            check_row(batch, row, individual | joined, codes)


@pytest.mark.parametrize("mode", MODES)
def test_malformed(runtime: Path, either_core: str, mode: int) -> None:
    vectors = load(runtime / "malformed.json")
    config = vector_config(vectors["config"], mode)
    codes = dict(zip(config.ids, vectors["config"]["keep_codes"], strict=True))
    for case in vectors["cases"]:
        data = bytes.fromhex(case["hex"])
        expected = case["hashed_mode0"]
        if "keys" in expected:
            check_row(decode_batch([data], config), 0, expected, codes)
        else:
            with pytest.raises(DecodeError) as caught:
                decode_batch([b"\0", data], config)
            assert caught.value.record == 1, case["name"]


TWO = FeatureConfig(
    features=(Feature(1), Feature(2), Feature(5), Feature(6)),
    labels=(Feature(10), Feature(11)),
    weights=(Feature(20),),
)


def test_labels_and_weights(either_core: str) -> None:
    records = [
        DataRecord(binary={10, 1}, continuous={11: 2.5, 20: 0.5, 2: 1.5}),
        DataRecord(continuous={10: float("nan"), 11: 1e300, 2: float("nan")}),
        DataRecord(discrete={10: 1, 20: 3}),  # labels are binary or continuous
    ]
    encoded = [encode_record(record) for record in records]
    batch = decode_batch(encoded, TWO)
    nan = np.nan
    np.testing.assert_array_equal(batch.labels, np.float32([[1, 2.5], [nan, np.inf], [nan, nan]]))
    np.testing.assert_array_equal(batch.weights, np.float32([[0.5], [0], [0]]))
    assert batch.row_splits.tolist() == [0, 2, 2, 2]
    filled = decode_batch(encoded, TWO.replace(default_label=-1.0))
    np.testing.assert_array_equal(filled.labels, np.float32([[1, 2.5], [-1, np.inf], [-1, -1]]))


def test_a_kept_label_is_only_a_feature(either_core: str) -> None:
    config = FeatureConfig(features=(Feature(1),), labels=(Feature(1),))
    batch = decode_batch([encode_record(DataRecord(binary={1}))], config)
    assert batch.field.tolist() == [1]
    assert np.isnan(batch.labels).all()


def test_labels_among_common_features_hold_for_rows_without_their_own(either_core: str) -> None:
    request = BatchPredictionRequest(
        [DataRecord(continuous={10: 3.0, 1: 7.0}), DataRecord(binary={2})],
        DataRecord(continuous={10: 5.0, 20: 0.25, 2: 4.0}),
    ).encode()
    batch = decode_requests(request, TWO)
    np.testing.assert_array_equal(batch.labels[:, 0], [3.0, 5.0])
    np.testing.assert_array_equal(batch.weights[:, 0], [0.25, 0.25])
    assert batch.field.tolist() == [2, 1, 2, 2]
    assert batch.value.tolist() == [4.0, 7.0, 4.0, 1.0]


def test_single_request(either_core: str) -> None:
    record = DataRecord(continuous={1: 2.0})
    batch = decode_request(PredictionRequest(record).encode(), TWO)
    assert (len(batch), batch.value.tolist()) == (1, [2.0])
    with pytest.raises(DecodeError, match="PredictionRequest"):
        decode_request(encode_record(record), TWO)


def test_a_large_request_is_one_row_a_record(either_core: str) -> None:
    records = [DataRecord(continuous={1: float(i)}) for i in range(1000)]
    common = DataRecord(continuous={2: -1.0})
    batch = decode_requests(BatchPredictionRequest(records, common).encode(), TWO)
    assert np.diff(batch.row_splits).tolist() == [2] * 1000
    view = memoryview(bytearray(BatchPredictionRequest(records, common).encode()))
    assert decode_requests(view, TWO).nnz == 2000
    assert batch.value.reshape(-1, 2).tolist() == [[-1.0, float(i)] for i in range(1000)]


def test_name_only_keys_need_utf8(either_core: str) -> None:
    bad = encode_record(DataRecord(sparse_continuous={6: {b"\xff": 1.0}}))
    assert len(decode_batch([bad], TWO)) == 1
    config = TWO.replace(decode_mode=DecodeMode.VALUE_NAME)
    with pytest.raises(DecodeError, match="not valid UTF-8"):
        decode_batch([bad], config)
    # Nobody asks for the keys of a feature that is dropped.
    other = encode_record(DataRecord(sparse_continuous={7: {b"\xff": 1.0}}))
    assert decode_batch([other], config).nnz == 0


UNKNOWN_FIELD = struct.pack(">Bhi", 8, 10, 1)
ONE_FEATURE = encode_record(DataRecord(continuous={1: 2.0}))


@pytest.mark.parametrize(
    "extra",
    [
        UNKNOWN_FIELD,
        struct.pack(">BhBi", 15, 1, 10, 0),  # a list where a set belongs
        struct.pack(">BhBBiqq", 13, 2, 10, 10, 1, 5, 6),  # longs where doubles belong
        struct.pack(">BhBBi", 13, 8, 10, 12, 1) + struct.pack(">qBhB", 3, 8, 9, 0)[:-1] + b"\0" * 5,
    ],
)
def test_lenient_decoding_skips_and_counts(either_core: str, extra: bytes) -> None:
    record = extra + ONE_FEATURE
    with pytest.raises(DecodeError):
        decode_batch([record], TWO)
    batch = decode_batch([record, ONE_FEATURE], TWO, strict=False)
    assert batch.value.tolist() == [2.0, 2.0]
    assert batch.unknown_fields == (0 if extra[1:3] == b"\0\x08" else 1)


def test_an_empty_map_without_types(either_core: str) -> None:
    record = struct.pack(">BhBBi", 13, 2, 0, 0, 0) + ONE_FEATURE
    batch = decode_batch([record], TWO, strict=False)
    assert (batch.nnz, batch.unknown_fields) == (1, 0)


def test_bad_records_can_be_skipped(either_core: str) -> None:
    records = [ONE_FEATURE, ONE_FEATURE[:-5], UNKNOWN_FIELD + ONE_FEATURE, ONE_FEATURE]
    batch = decode_batch(records, TWO, on_error="skip")
    assert len(batch) == 2
    assert [error.record for error in batch.errors] == [1, 2]
    assert "cannot fit" in batch.errors[0].reason
    assert batch.value.tolist() == [2.0, 2.0]
    with pytest.raises(DecodeError, match=r"^record 1, byte 3: "):
        decode_batch(records, TWO)


def test_broken_common_features_break_the_request(either_core: str) -> None:
    request = struct.pack(">BhBi", 15, 1, 12, 1) + b"\0" + b"\x0c\0\x02" + UNKNOWN_FIELD + b"\0\0"
    with pytest.raises(DecodeError, match=r"^byte 0: unknown field 10") as caught:
        decode_requests(request, TWO, on_error="skip")
    assert caught.value.record is None


@pytest.mark.parametrize(
    ("request_bytes", "reason"),
    [
        (b"", "truncated"),
        (b"\0", "lacks field 1"),
        (struct.pack(">BhBi", 15, 1, 12, 9) + b"\0\0", "count 9 cannot fit"),
        (struct.pack(">BhBi", 15, 1, 12, -1) + b"\0\0", "negative count"),
        (struct.pack(">BhBi", 15, 1, 10, 0) + b"\0", "element: type 10"),
        (struct.pack(">Bhi", 8, 3, 0) + b"\0", "unknown field 3"),
    ],
)
def test_broken_envelopes(either_core: str, request_bytes: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode_requests(request_bytes, TWO)


def test_nothing(either_core: str) -> None:
    batch = decode_batch([], TWO)
    assert (len(batch), batch.nnz) == (0, 0)
    assert batch.labels.shape == (0, 2)
    assert batch.weights.shape == (0, 1)


def test_arguments(either_core: str) -> None:
    with pytest.raises(ValueError, match="on_error"):
        decode_batch([], TWO, on_error="ignore")  # type: ignore[arg-type]  # the point
    for record in ("text", bytearray(b"\0"), 5):
        with pytest.raises(TypeError, match="expected bytes"):
            decode_batch([record], TWO)  # type: ignore[list-item]  # the point
    with pytest.raises(ValueError, match="outside its buffer"):
        RecordBuffer(b"abc", np.array([0]), np.array([4]))
