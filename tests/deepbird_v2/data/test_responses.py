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
from deepbird_v2.data.record import DataRecord, encode_record

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
    for bad in ({1: [1.0], 2: [1.0, 2.0]}, {1: [[1.0]]}):
        with pytest.raises(ValueError, match="equally long vectors"):
            encode_predictions(bad)
