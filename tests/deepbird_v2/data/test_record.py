"""Objects against what the published runtime's object reader returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from deepbird_v2.data import DecodeError
from deepbird_v2.data.messages import BatchPredictionRequest
from deepbird_v2.data.record import DataRecord, decode_record, encode_record
from deepbird_v2.data.tensors import GeneralTensor, SparseTensor, TensorKind

from .conftest import load

if TYPE_CHECKING:
    from pathlib import Path


def pairs(content: dict[int, Any]) -> list[tuple[int, Any]]:
    return sorted(content.items())


def hexed(rows: list[list[Any]]) -> list[tuple[int, bytes]]:
    return [(id_, bytes.fromhex(text)) for id_, text in rows]


def check_tensor(tensor: GeneralTensor, expected: dict[str, Any]) -> None:
    assert list(tensor.values.shape) == expected["dims"]
    if tensor.kind == TensorKind.STRING:  # the vectors only count strings
        assert (expected["type"], expected["raw_length"]) == ("uint8", tensor.values.size)
        return
    assert tensor.values.dtype.name == expected["type"]
    assert tensor.values.nbytes == expected["raw_length"]
    assert (tensor.kind != TensorKind.RAW) == expected["big_endian"]


def check_record(record: DataRecord, expected: dict[str, Any], config: dict[str, Any]) -> None:
    """The vectors keep sparse and blob features of the keep list only."""
    keep = set(config["keep_features"])
    wanted_tensors = set(config["tensor_ids"])
    assert sorted(record.binary) == expected["binary"]
    # The published reader drops NaN on the way in.
    assert [(id_, v) for id_, v in pairs(record.continuous) if v == v] == [
        (id_, float(v)) for id_, v in expected["continuous"]
    ]
    assert pairs(record.discrete) == [tuple(row) for row in expected["discrete"]]
    assert pairs(record.string) == hexed(expected["string_hex"])
    assert [(k, v) for k, v in pairs(record.sparse_binary) if k in keep] == [
        (id_, {bytes.fromhex(t) for t in texts}) for id_, texts in expected["sparse_binary_hex"]
    ]
    found = [
        (k, {t: x for t, x in v.items() if x == x})
        for k, v in pairs(record.sparse_continuous)
        if k in keep
    ]
    assert found == [
        (id_, {bytes.fromhex(t): float(x) for t, x in entries if x != "nan"})
        for id_, entries in expected["sparse_continuous_hex"]
    ]
    assert [(k, v) for k, v in pairs(record.blob) if k in keep] == hexed(expected["blob_hex"])
    for id_, tensor in expected["tensors"]:
        check_tensor(record.tensor[id_], tensor)
    for id_, sparse in expected["sparse_tensors"]:
        ours = record.sparse_tensor[id_]
        assert list(ours.dense_shape) == sparse["dense_shape"]
        assert list(ours.indices.shape) == sparse["indices"]["dims"]
        check_tensor(ours.values, sparse["values"])
    assert {id_ for id_, _ in expected["tensors"]} == set(record.tensor) & wanted_tensors


def test_records(runtime: Path) -> None:
    vectors = load(runtime / "datarecords.json")
    for vector in vectors["records"]:
        record = decode_record((runtime / vector["file"]).read_bytes())
        check_record(record, vector["data_record"], vectors["config"])


def test_requests(runtime: Path, either_core: str) -> None:
    vectors = load(runtime / "batch_prediction_requests.json")
    for vector in vectors["requests"]:
        request = BatchPredictionRequest.decode((runtime / vector["file"]).read_bytes())
        expected = vector["data_record"]
        assert len(request.records) == len(expected["requests"])
        check_record(request.common or DataRecord(), expected["common"], vectors["config"])
        for record, individual in zip(request.records, expected["requests"], strict=True):
            check_record(record, individual, vectors["config"])


def test_malformed(runtime: Path) -> None:
    vectors = load(runtime / "malformed.json")
    for case in vectors["cases"]:
        data = bytes.fromhex(case["hex"])
        if "binary" in case["data_record"]:
            check_record(decode_record(data), case["data_record"], vectors["config"])
        else:
            with pytest.raises(DecodeError):
                decode_record(data)


def test_canonical_bytes() -> None:
    one = DataRecord(binary={3, 1}, continuous={2: 1.0, -2: 0.0}, sparse_binary={1: {b"b", b"a"}})
    two = DataRecord(binary={1, 3}, continuous={-2: 0.0, 2: 1.0}, sparse_binary={1: {b"a", b"b"}})
    assert encode_record(one) == encode_record(two)
    assert encode_record(DataRecord()) == b"\0"


def test_raw_tensors() -> None:
    for dtype in ("f4", "f8", "i4", "i8", "u1", "?"):
        record = DataRecord(
            tensor={1: GeneralTensor(TensorKind.RAW, np.arange(6).astype(dtype).reshape(2, 3))}
        )
        assert decode_record(encode_record(record)) == record
    swapped = GeneralTensor(TensorKind.RAW, np.arange(3, dtype=">f4"))
    decoded = decode_record(encode_record(DataRecord(tensor={1: swapped}))).tensor[1]
    np.testing.assert_array_equal(decoded.values, np.arange(3))
    signed = DataRecord(tensor={1: GeneralTensor(TensorKind.RAW, np.arange(3, dtype="i1"))})
    with pytest.raises(DecodeError, match="dataType 6"):
        decode_record(encode_record(signed))
    assert decode_record(encode_record(signed), strict=False) == signed
    with pytest.raises(ValueError, match="float16"):
        encode_record(DataRecord(tensor={1: GeneralTensor(TensorKind.RAW, np.zeros(2, "f2"))}))


def test_shapes_must_fit() -> None:
    good = encode_record(
        DataRecord(tensor={1: GeneralTensor(TensorKind.INT32, np.zeros((2, 3), np.int32))})
    )
    shape = b"".join(n.to_bytes(8, "big") for n in (2, 3))
    for bad in ((2, 4), (-2, -3), (2**40, 2**40)):
        wrong = b"".join(n.to_bytes(8, "big", signed=True) for n in bad)
        with pytest.raises(DecodeError, match="shape"):
            decode_record(good.replace(shape, wrong))
    coordinates = SparseTensor(
        (4,), np.zeros((3, 2), np.int64), GeneralTensor(TensorKind.DOUBLE, np.zeros(3))
    )
    with pytest.raises(DecodeError, match="6 indices for 3 values in 1 dimensions"):
        decode_record(encode_record(DataRecord(sparse_tensor={1: coordinates})))
