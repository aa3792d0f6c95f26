"""The IDL and our codec against thriftpy2, an independent implementation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import thriftpy2
from hypothesis import given, settings
from hypothesis import strategies as st
from thriftpy2.protocol.binary import TBinaryProtocol
from thriftpy2.transport import TMemoryBuffer

from deepbird_v2.data import idl_path
from deepbird_v2.data.messages import (
    BatchPredictionRequest,
    BatchPredictionResponse,
    PredictionRequest,
    PredictionResponse,
)
from deepbird_v2.data.record import DataRecord, decode_record, encode_record
from deepbird_v2.data.tensors import GeneralTensor, SparseTensor, TensorKind

service = thriftpy2.load(
    str(idl_path("prediction_service")), module_name="deepbird_prediction_service_thrift"
)
RECORDS = Path(__file__).parents[2] / "golden" / "v2_runtime" / "records"


def thrift_bytes(value: Any) -> bytes:
    buffer = TMemoryBuffer()
    value.write(TBinaryProtocol(buffer))
    return bytes(buffer.getvalue())


def thrift_read(kind: Any, data: bytes) -> Any:
    value = kind()
    value.read(TBinaryProtocol(TMemoryBuffer(data), decode_response=False))
    return value


def to_bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else value


def test_every_file_loads() -> None:
    for name in ("data", "tensor", "prediction_service"):
        assert idl_path(name).is_file()
        assert idl_path(f"{name}.thrift") == idl_path(name)
    with pytest.raises(FileNotFoundError, match="data, prediction_service, tensor"):
        idl_path("twml")


longs = st.integers(-(2**63), 2**63 - 1)
doubles = st.floats(allow_nan=False)
names = st.text(max_size=6).map(str.encode)


def tensors() -> st.SearchStrategy[GeneralTensor]:
    shapes = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(tuple)

    def build(kind: TensorKind, shape: tuple[int, ...]) -> GeneralTensor:
        size = int(np.prod(shape))
        flat = {
            TensorKind.RAW: np.arange(size, dtype=np.int32),
            TensorKind.STRING: np.array([b"%d" % i for i in range(size)], object),
            TensorKind.INT32: np.arange(size, dtype=np.int32) - 2,
            TensorKind.INT64: np.arange(size, dtype=np.int64) << 33,
            TensorKind.FLOAT: np.arange(size) / 3,
            TensorKind.DOUBLE: np.arange(size) / 7,
            TensorKind.BOOL: np.arange(size) % 2 == 1,
            TensorKind.BINARY: np.array([b"\xff%d" % i for i in range(size)], object),
        }[kind]
        return GeneralTensor(kind, flat.reshape(shape))

    return st.builds(build, st.sampled_from(TensorKind), shapes)


def sparse_tensors() -> st.SearchStrategy[SparseTensor]:
    return st.integers(0, 4).map(
        lambda n: SparseTensor(
            (9, 8),
            np.arange(2 * n, dtype=np.int64).reshape(n, 2),
            GeneralTensor(TensorKind.DOUBLE, np.arange(n) / 2),
        )
    )


records = st.builds(
    DataRecord,
    binary=st.sets(longs, max_size=3),
    continuous=st.dictionaries(longs, doubles, max_size=3),
    discrete=st.dictionaries(longs, longs, max_size=3),
    string=st.dictionaries(longs, names, max_size=3),
    sparse_binary=st.dictionaries(longs, st.sets(names, max_size=3), max_size=2),
    sparse_continuous=st.dictionaries(
        longs, st.dictionaries(names, doubles, max_size=3), max_size=2
    ),
    blob=st.dictionaries(longs, st.binary(max_size=5), max_size=2),
    tensor=st.dictionaries(longs, tensors(), max_size=2),
    sparse_tensor=st.dictionaries(longs, sparse_tensors(), max_size=1),
)


@settings(max_examples=60, deadline=None)
@given(records)
def test_round_trip(record: DataRecord) -> None:
    encoded = encode_record(record)
    assert decode_record(encoded, strict=False) == record
    assert encode_record(decode_record(encoded, strict=False)) == encoded


@settings(max_examples=60, deadline=None)
@given(records)
def test_ours_theirs_ours(record: DataRecord) -> None:
    theirs = thrift_read(service.data.DataRecord, encode_record(record))
    assert set(theirs.binaryFeatures or ()) == record.binary
    assert (theirs.continuousFeatures or {}) == record.continuous
    assert (theirs.discreteFeatures or {}) == record.discrete
    assert {k: to_bytes(v) for k, v in (theirs.stringFeatures or {}).items()} == record.string
    assert {
        k: {to_bytes(s) for s in v} for k, v in (theirs.sparseBinaryFeatures or {}).items()
    } == record.sparse_binary
    assert decode_record(thrift_bytes(theirs), strict=False) == record


@pytest.mark.parametrize("path", sorted(RECORDS.glob("dr_*.thrift")), ids=lambda p: p.stem)
def test_real_records(path: Path) -> None:
    data = path.read_bytes()
    ours = decode_record(data)
    theirs = thrift_read(service.data.DataRecord, data)
    assert repr(decode_record(thrift_bytes(theirs))) == repr(ours)
    assert encode_record(decode_record(encode_record(ours))) == encode_record(ours)


def test_messages() -> None:
    one, two = DataRecord(continuous={5: 1.0}), DataRecord(binary={6})
    theirs = service.BatchPredictionRequest(
        individualFeaturesList=[
            service.data.DataRecord(continuousFeatures={5: 1.0}),
            service.data.DataRecord(binaryFeatures={6}),
        ],
        commonFeatures=service.data.DataRecord(discreteFeatures={7: 8}),
    )
    ours = BatchPredictionRequest([one, two], DataRecord(discrete={7: 8}))
    assert BatchPredictionRequest.decode(thrift_bytes(theirs)) == ours
    assert thrift_read(service.BatchPredictionRequest, ours.encode()) == thrift_read(
        service.BatchPredictionRequest, thrift_bytes(theirs)
    )
    response = BatchPredictionResponse([one, two])
    assert BatchPredictionResponse.decode(response.encode()) == response
    read = thrift_read(service.BatchPredictionResponse, response.encode())
    assert [r.continuousFeatures for r in read.predictions] == [{5: 1.0}, None]
    assert PredictionRequest.decode(PredictionRequest(one).encode()) == PredictionRequest(one)
    assert PredictionResponse.decode(PredictionResponse(two).encode()) == PredictionResponse(two)
    single = thrift_read(service.PredictionRequest, PredictionRequest(one).encode())
    assert single.features.continuousFeatures == {5: 1.0}
