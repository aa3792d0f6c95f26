from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from deepbird_v2.data import (
    DecodeError,
    decode_predictions,
    encode_batch_response,
    encode_predictions,
    encode_response,
    read_records,
)
from deepbird_v2.data.messages import BatchPredictionResponse, PredictionResponse
from deepbird_v2.data.record import DataRecord, decode_record, encode_record
from deepbird_v2.data.tensors import GeneralTensor, TensorKind

from .conftest import load

if TYPE_CHECKING:
    from pathlib import Path


def test_published_writer(runtime: Path, either_core: str) -> None:
    for vector in load(runtime / "batch_prediction_response.json"):
        values = np.float32(vector["values"])
        encoded = encode_batch_response(
            encode_predictions(dict(zip(vector["keys"], values.T, strict=True)))
        )
        assert len(encoded) == vector["encoded_size"]
        theirs = bytes.fromhex(vector["hex_example_order_of_map_entries_is_unspecified"])
        assert BatchPredictionResponse.decode(encoded) == BatchPredictionResponse.decode(theirs)


def test_round_trip(either_core: str) -> None:
    outputs = {7: [1.0, np.nan, np.inf], -3: [0.1, 0.2, 0.3]}
    found = decode_predictions(encode_predictions(outputs))
    assert list(found) == [-3, 7]
    np.testing.assert_array_equal(found[7], outputs[7])
    np.testing.assert_array_equal(found[-3], outputs[-3])
    assert found.present[7].all()  # a NaN can be an answer


def test_missing_outputs(either_core: str) -> None:
    records = [DataRecord(continuous={1: 0.5}, discrete={1: 4}), DataRecord(), DataRecord({2})]
    found = decode_predictions([encode_record(record) for record in records])
    assert list(found) == [1]
    np.testing.assert_array_equal(found[1], [0.5, np.nan, np.nan])
    assert found.present[1].tolist() == [True, False, False]
    with pytest.raises(DecodeError, match="record 1"):
        decode_predictions([b"\0", b"\1"])


def test_real_answers(flights: Path, either_core: str) -> None:
    ids = json.loads((flights / "features.json").read_text())["predictions"]
    found = decode_predictions(read_records(flights / "v1_responses.lzo"))
    assert sorted(found) == sorted(ids.values())
    for column in found.values():
        assert column.shape == (2500,)
        assert ((column >= 0) & (column <= 1)).all()
    assert all(present.all() for present in found.present.values())


def test_encoding(either_core: str) -> None:
    assert encode_predictions({}) == []
    assert encode_predictions({1: []}) == []
    (record,) = encode_predictions({2: [0.5], 1: [1.5]})
    assert (
        record
        == struct.pack(">BhBBi", 13, 2, 10, 4, 2) + struct.pack(">qdqd", 1, 1.5, 2, 0.5) + b"\0"
    )
    response = PredictionResponse.decode(encode_response(record))
    assert response.prediction == DataRecord(continuous={1: 1.5, 2: 0.5})
    for bad, reason in (
        ({1: [1.0], 2: [1.0, 2.0]}, r"equally long, not \[1, 2\]"),
        ({1: [[1.0]]}, "one dimension"),
    ):
        with pytest.raises(ValueError, match=reason):
            encode_predictions(bad)


def test_tensor_outputs(either_core: str) -> None:
    embedding = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    words = np.array([[b"a", b"bc"], [b"", b"d"]], object)
    records = encode_predictions({1: [0.5, 1.5]}, {7: words, 3: embedding})
    for row, data in enumerate(records):
        record = decode_record(data)
        assert record.continuous == {1: 0.5 + row}
        assert list(record.tensor) == [3, 7]
        assert record.tensor[3] == GeneralTensor(TensorKind.RAW, embedding[row])
        assert record.tensor[7] == GeneralTensor(TensorKind.STRING, words[row])
    assert decode_record(encode_predictions({}, {3: embedding})[1]).continuous == {}
    np.testing.assert_array_equal(decode_predictions(records)[1], [0.5, 1.5])
