"""Hostile Thrift: one clear error, never a crash, and the same from both cores."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepbird_v2.data import DecodeError, _fallback
from deepbird_v2.data.record import DataRecord, decode_record, encode_record
from deepbird_v2.data.tensors import GeneralTensor, SparseTensor, TensorKind

native = pytest.importorskip("deepbird_v2.data._native", reason="the compiled core is not built")

RECORDS = Path(__file__).parents[2] / "golden" / "v2_runtime" / "records"
IDS = np.array([1, 2, 3, 4, 5, 6], np.int64)
OTHERS = (np.array([10, 11], np.int64), np.array([20], np.int64))

FULL = DataRecord(
    binary={1, 10},
    continuous={2: 1.5, 11: float("nan"), 20: 2.0, 3: float("nan")},
    discrete={3: -4, 7: 2**62},
    string={4: b"four", 8: b""},
    sparse_binary={5: {b"a", b"bb"}, 9: set()},
    sparse_continuous={6: {b"x#y": 0.5, "é".encode(): -1.0}, 12: {b"\xff": 1.0}},
    blob={1: b"\0\1"},
    tensor={
        1: GeneralTensor(TensorKind.RAW, np.arange(6, dtype=np.float32).reshape(2, 3)),
        2: GeneralTensor(TensorKind.STRING, np.array([b"s", b"tt"], object)),
        3: GeneralTensor(TensorKind.BOOL, np.array([True, False, True])),
    },
    sparse_tensor={
        4: SparseTensor(
            (5, 7), np.array([[1, 2], [3, 4], [4, 6]]), GeneralTensor(TensorKind.DOUBLE, np.ones(3))
        )
    },
)
ENCODED = encode_record(FULL)


def run(core: Any, records: list[bytes], *, strict: bool, skip_bad: bool, mode: int = 1) -> Any:
    plan = core.Plan(IDS, *OTHERS, mode == 0, True)
    return core.decode_list(records, plan, strict, skip_bad)


def assert_same(records: list[bytes], **options: Any) -> Any:
    """Decode on both cores, compare everything, return the native result."""
    ours = run(native, records, **options)
    theirs = run(_fallback, records, **options)
    assert ours[7:] == theirs[7:]  # unknown fields, errors
    if not ours[8] or options["skip_bad"]:
        for column, twin in zip(ours[:7], theirs[:7], strict=True):
            assert column.dtype == twin.dtype
            np.testing.assert_array_equal(column, twin)
    return ours


OPTIONS = [
    {"strict": strict, "skip_bad": True, "mode": mode}
    for strict in (True, False)
    for mode in (0, 1)
]


@pytest.mark.parametrize("options", OPTIONS)
def test_every_truncation_is_an_error(options: dict[str, Any]) -> None:
    cuts = [ENCODED[:size] for size in range(len(ENCODED))]
    errors = assert_same(cuts, **options)[8]
    assert [error[0] for error in errors] == list(range(len(ENCODED)))
    for cut, (_, offset, _) in zip(cuts, errors, strict=True):
        assert 0 <= offset <= len(cut)
        with pytest.raises(DecodeError):
            decode_record(cut)
    assert assert_same([ENCODED], **options)[8] == []


@pytest.mark.parametrize("options", OPTIONS)
def test_every_byte_changed(options: dict[str, Any]) -> None:
    changed = [
        ENCODED[:at] + bytes([byte]) + ENCODED[at + 1 :]
        for at in range(len(ENCODED))
        for byte in (0x00, 0x7F, 0xFF, ENCODED[at] ^ 1, 11, 12, 13)
    ]
    result = assert_same(changed, **options)
    assert 0 < len(result[8]) < len(changed)


@pytest.mark.parametrize("name", ["dr_002", "dr_012", "dr_029"])
def test_truncated_real_records(name: str) -> None:
    data = (RECORDS / f"{name}.thrift").read_bytes()
    cuts = [data[:size] for size in range(0, len(data), 3)]
    errors = assert_same(cuts, strict=True, skip_bad=True)[8]
    assert len(errors) == len(cuts)


def nested(kind: int, depth: int) -> bytes:
    """An unknown field that holds `depth` containers inside each other."""
    opening = {
        12: b"\x0c\0\1",
        13: struct.pack(">BBi", 3, 13, 1) + b"\0",
        14: struct.pack(">Bi", 14, 1),
        15: struct.pack(">Bi", 15, 1),
    }[kind]
    return struct.pack(">Bh", kind, 99) + opening * depth


@pytest.mark.parametrize("kind", [12, 13, 14, 15])
def test_deep_nesting(kind: int) -> None:
    records = [nested(kind, depth) + b"\0" * 300 for depth in (10, 62, 63, 64, 65, 66, 100_000)]
    errors = assert_same(records, strict=False, skip_bad=True)[8]
    assert {error[2] for error in errors if "nesting" in error[2]} == {"nesting deeper than 64"}
    assert errors[-1][0] == 6
    assert errors[0][0] > 1  # what nests less deeply is skipped


HUGE = [-(2**31), -1, 2**31 - 1, 2**30, 10**6]
HEADERS = {
    "set": (">BhB", 14, 1, 10),
    "continuous": (">BhBB", 13, 2, 10, 4),
    "discrete": (">BhBB", 13, 3, 10, 10),
    "string": (">BhBB", 13, 4, 10, 11),
    "sparse binary": (">BhBB", 13, 5, 10, 14),
    "sparse continuous": (">BhBB", 13, 6, 10, 13),
    "blob": (">BhBB", 13, 7, 10, 11),
    "tensor": (">BhBB", 13, 8, 10, 12),
    "sparse tensor": (">BhBB", 13, 9, 10, 12),
    "unknown list of structs": (">BhB", 15, 50, 12),
    "unknown map": (">BhBB", 13, 50, 12, 12),
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("strict", [True, False])
def test_huge_counts_allocate_nothing(name: str, strict: bool) -> None:
    layout, *values = HEADERS[name]
    head = struct.pack(layout, *values)
    records = [head + struct.pack(">i", count) + b"\0" * 40 for count in HUGE]
    errors = assert_same(records, strict=strict, skip_bad=True)[8]
    assert len(errors) == len(records)


@pytest.mark.parametrize("length", HUGE)
def test_huge_string_lengths(length: int) -> None:
    for field, value in ((4, 11), (7, 11)):
        head = struct.pack(">BhBBiq", 13, field, 10, value, 1, 1)
        errors = assert_same(
            [head + struct.pack(">i", length) + b"xyz\0"], strict=True, skip_bad=True
        )[8]
        assert errors[0][1] == 17
        assert "negative length" in errors[0][2] or "exceeds the 4 bytes" in errors[0][2]


pieces = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([ENCODED[a:b] for a in range(0, 120, 7) for b in (a + 3, a + 20)]),
    st.sampled_from([encode_record(DataRecord(continuous={2: 1.0}))[:-1]]),
    st.sampled_from([struct.pack(f[0], *f[1:]) for f in HEADERS.values()]),
    st.integers(-2, 5).map(lambda n: struct.pack(">i", n)),
    st.sampled_from(range(16)).map(lambda kind: struct.pack(">Bh", kind, 9)),
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.lists(pieces, max_size=8).map(b"".join), max_size=4),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 1]),
)
def test_any_bytes(records: list[bytes], strict: bool, skip_bad: bool, mode: int) -> None:
    assert_same([*records, ENCODED], strict=strict, skip_bad=skip_bad, mode=mode)


@settings(max_examples=200, deadline=None)
@given(st.lists(pieces, max_size=10).map(b"".join), st.booleans())
def test_any_request(data: bytes, strict: bool) -> None:
    for request in (data, struct.pack(">BhBi", 15, 1, 12, 2) + data):
        ours = native.request_spans(request, strict)
        theirs = _fallback.request_spans(request, strict)
        assert ours[3] == theirs[3]
        if ours[3] is None:
            assert ours[0].tolist() == theirs[0].tolist()
            assert ours[1].tolist() == theirs[1].tolist()
            assert ours[2] == theirs[2]


@settings(max_examples=200, deadline=None)
@given(st.lists(pieces, max_size=8).map(b"".join), st.booleans())
def test_objects_and_columns_refuse_the_same(data: bytes, strict: bool) -> None:
    """Whatever the object reader accepts, the column reader does too."""
    try:
        decode_record(data, strict=strict)
    except DecodeError:
        return
    assert run(native, [data], strict=strict, skip_bad=True)[8] == []
