"""Damaged and hostile ``.t7`` files: one error of the closed set, in bounded time and memory."""

from __future__ import annotations

import random
import re
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate import t7

GOLDEN = Path(__file__).parents[2] / "golden"
SMALL = [
    "corrupted/good_tensor.t7",
    "corrupted/good_ascii.t7",
    "class_custom_rw/object.t7",
    "class_custom_rw/object_ascii.t7",
    "functions/object.t7",
    "legacy_tags/function_tag6.t7",
    "longsize_4_and_8/long4_small.t7",
    "big_endian/big.t7",
    "strings/object_ascii.t7",
    "tds_hash_vec/object.t7",
    "tensor_nonfinite/object_ascii.t7",
    "tensor_Half/object.t7",
]
ENDS_WITH_STRING = {
    "class_custom_rw/object_ascii.t7",
    "corrupted/good_ascii.t7",
    "strings/object_ascii.t7",
}


def checked(error: t7.T7Error, size: int) -> t7.T7Error:
    assert error.offset is not None
    assert 0 <= error.offset <= size
    assert error.problem in str(error)
    assert error.hint in str(error)
    return error


def attempt(content: bytes) -> t7.Document | t7.T7Error:
    """Reads and uses everything; anything but the closed set of errors comes through."""
    try:
        document = t7.open_document(content)
    except t7.T7Error as error:
        return checked(error, len(content))
    for item in document.objects:
        t7.plain(item)
        t7.dump(item)
        for _, inner in t7.walk(item):
            if isinstance(inner, t7.Tensor) and np.prod(inner.size, dtype=float) < 1e6:
                inner.numpy().tobytes()
    return document


@pytest.mark.parametrize("name", SMALL)
def test_cut_at_every_byte(name: str) -> None:
    content = (GOLDEN / "io" / name).read_bytes()
    # An ascii file that ends with a string may lack the newline behind it.
    last = len(content) - (name in ENDS_WITH_STRING)
    for end in range(len(content)):
        result = attempt(content[:end])
        if end < last:
            assert isinstance(result, t7.T7Error), end


@pytest.mark.parametrize("name", SMALL)
def test_bytes_changed_at_random(name: str) -> None:
    content = (GOLDEN / "io" / name).read_bytes()
    rng = random.Random(name)
    for _ in range(400):
        changed = bytearray(content)
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(changed))
            changed[at] = rng.choice((0, 1, 3, 4, 8, 127, 128, 255, rng.randrange(256)))
        attempt(bytes(changed))


@settings(max_examples=300, deadline=None)
@given(head=st.sampled_from([b"", b"\3\0\0\0", b"\4\0\0\0", b"3\n", b"4\n1\n"]), rest=st.binary())
def test_any_bytes(head: bytes, rest: bytes) -> None:
    attempt(head + rest)


def text(value: str) -> bytes:
    return struct.pack("<i", len(value)) + value.encode()


def tensor(size: list[int], stride: list[int], offset: int, held: int = 6) -> bytes:
    dims = len(size)
    head = struct.pack("<ii", 4, 1) + text("V 1") + text("torch.DoubleTensor")
    shape = struct.pack(f"<i{2 * dims + 1}q", dims, *size, *stride, offset)
    storage = struct.pack("<ii", 4, 2) + text("V 1") + text("torch.DoubleStorage")
    return head + shape + storage + struct.pack("<q", held) + bytes(8 * held)


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ([7], [1], 1),
        ([6], [1], 2),
        ([1], [1], 7),
        ([1], [1], 0),
        ([1], [1], -(1 << 63)),
        ([2, 3], [4, 1], 1),
        ([2, 3], [-3, 1], 4),
        ([-1, 3], [1, 1], 1),
        ([1 << 62, 1 << 62], [1 << 62, 1], 1),
        ([1 << 40, 1 << 40], [0, 0], 1),
        ([2], [(1 << 63) - 1], 1),
    ],
)
def test_no_tensor_reaches_outside_its_storage(
    size: list[int], stride: list[int], offset: int
) -> None:
    with pytest.raises(t7.BadTensor, match="DoubleTensor"):
        t7.load(tensor(size, stride, offset))


def test_a_view_that_repeats_elements_takes_no_memory() -> None:
    read = t7.load(tensor([1 << 30, 6], [0, 1], 1)).numpy()
    assert read.shape == (1 << 30, 6)
    assert read.base is not None


@pytest.mark.parametrize("dims", [-1, 65, (1 << 31) - 1])
def test_dimensions_are_bounded(dims: int) -> None:
    content = tensor([1], [1], 1)
    at = content.index(b"Tensor") + 6
    with pytest.raises(t7.BadTensor, match=f"{dims} dimensions"):
        t7.load(content[:at] + struct.pack("<i", dims) + content[at + 4 :])


HUGE = (1 << 31) - 1
LENGTHS = {
    "string": struct.pack("<ii", 2, HUGE),
    "negative string": struct.pack("<ii", 2, -1),
    "table": struct.pack("<iii", 3, 1, HUGE),
    "negative table": struct.pack("<iii", 3, 1, -1),
    "function": struct.pack("<iii", 8, 1, HUGE),
    "negative function": struct.pack("<iii", 8, 1, -7),
    "storage": tensor([1], [1], 1)[: -6 * 8 - 8] + struct.pack("<q", 1 << 60),
    "negative storage": tensor([1], [1], 1)[: -6 * 8 - 8] + struct.pack("<q", -1),
    "tds.Hash": struct.pack("<ii", 4, 1) + text("tds.Hash") + struct.pack("<q", 1 << 60),
    "tds.Vec": struct.pack("<ii", 4, 1) + text("tds.Vec") + struct.pack("<q", -5),
    "ascii string": b"2\n2147483647\nx\n",
    "ascii table": b"3\n1\n2147483647\n1\n1\n",
    "ascii storage": b"4\n1\n3\nV 1\n19\ntorch.DoubleStorage\n1152921504606846976\n1 2\n",
    "ascii bytes": b"4\n1\n3\nV 1\n17\ntorch.ByteStorage\n1152921504606846976\nabc\n",
    "ascii class": b"4\n1\n2147483647\nV 1\n",
}


@pytest.mark.parametrize("name", LENGTHS)
def test_an_absurd_length_allocates_nothing(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises((t7.Truncated, t7.BadLength)):
            t7.load(LENGTHS[name])
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def deep(levels: int) -> bytes:
    opened = b"".join(struct.pack("<iiiid", 3, i + 1, 1, 1, 1.0) for i in range(levels))
    return opened + struct.pack("<i", 5) + struct.pack("<i", 1)


def test_nesting_lives_on_no_stack() -> None:
    levels = 100_000
    content = deep(levels)
    value = t7.load(content)
    assert t7.dumps(value) == content
    depth, inner = 0, t7.plain(value)
    while isinstance(inner, list):
        depth, inner = depth + 1, inner[0]
    assert (depth, inner) == (levels, True)
    assert sum(1 for _ in t7.walk(value)) == levels
    with pytest.raises(t7.TooDeep, match="take the part"):
        t7.dump_json(value)
    with pytest.raises(t7.Truncated) as caught:
        t7.load(content[:-4])
    assert len(caught.value.where) < 200


def test_functions_and_keys_nest_without_a_stack() -> None:
    levels = 20_000
    functions = b"".join(
        struct.pack("<iii", 8, 2 * i + 1, 0) + struct.pack("<iiiid", 3, 2 * i + 2, 1, 1, 1.0)
        for i in range(levels)
    )
    assert isinstance(t7.load(functions + bytes(4)), t7.Function)
    keys = b"".join(struct.pack("<iii", 3, i + 1, 1) for i in range(levels))
    closing = struct.pack("<iii", 3, levels + 1, 0) + struct.pack("<ii", 5, 1) * levels
    outer = t7.load(keys + closing)
    assert len(outer) == 1
    assert t7.dumps(outer) == keys + closing


def test_a_million_references() -> None:
    count = 1_000_000
    entries = np.empty(count, [("kt", "<i4"), ("k", "<f8"), ("vt", "<i4"), ("v", "<i4")])
    entries["kt"], entries["k"], entries["vt"], entries["v"] = 1, np.arange(count), 3, 1
    value = t7.load(struct.pack("<iii", 3, 1, count) + entries.tobytes())
    assert len(value) == count
    assert all(item is value for item in value.values())


@pytest.mark.parametrize(
    "token", [b"9" * 10**6, b"0." + b"1" * 10**6, b"1e" + b"9" * 10**5, b"-" * 10**5]
)
@pytest.mark.parametrize(
    "around",
    [
        (b"1\n", b"\n"),
        (b"2\n", b"\n"),
        (b"4\n1\n3\nV 1\n19\ntorch.DoubleStorage\n3\n1 ", b" 3\n"),
        (b"4\n1\n3\nV 1\n17\ntorch.LongStorage\n3\n1 ", b" 3\n"),
    ],
)
def test_numbers_without_end(token: bytes, around: tuple[bytes, bytes]) -> None:
    with pytest.raises(t7.BadNumber) as caught:
        t7.load(token.join(around))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (struct.pack("<iiiiii", 3, 1, 1, 0, 5, 1), "nil"),
        (struct.pack("<iiiidii", 3, 1, 1, 1, float("nan"), 5, 1), "nan"),
        (struct.pack("<iiiidi", 8, 1, 0, 1, 1.0, 0), "upvalues"),
        (struct.pack("<i", 9), "9 is no type tag"),
        (struct.pack("<ii", 4, 1) + text("torch.FloatTensor") + bytes(12) + b"\2\0\0\0", "tag 2"),
        (tensor([1], [1], 1).replace(b"DoubleStorage", b"NoSuchStorage"), "over a 'torch.NoSuch"),
        (
            struct.pack("<iiiid", 3, 1, 2, 1, 1.0) + struct.pack("<iiidii", 3, 1, 1, 2.0, 8, 1),
            "index 1 stands for a table, not for a function",
        ),
    ],
)
def test_what_cannot_stand_there_is_named(content: bytes, kind: str) -> None:
    with pytest.raises(t7.T7Error, match=kind):
        t7.load(content)


NOT_TORCH = {
    b"": "the file is empty",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n": "git lfs pull",
    b"PK\x03\x04" + bytes(60): "PyTorch",
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.": "PyTorch checkpoint",
    b"\x80\x04\x95\x00": "pickle",
    b"\x89HDF\r\n\x1a\n": "h5py",
    b"\x1f\x8b\x08\x00": "gzip",
    b"\x1bLJ\x02\x08": "LuaJIT bytecode",
    b"<!DOCTYPE html><html>": "web page",
    b"../../models/vgg.t7": "symbolic link to '../../models/vgg.t7'",
    b"This is no model, write to the author.": "text file",
    b"model.pth".ljust(257, b"\0") + b"ustar" + bytes(250): "tar archive",
    b"\xca\xfe\xba\xbe": "ca fe ba be",
    b"\0\0\0": "00 00 00",
}


@pytest.mark.parametrize("content", NOT_TORCH, ids=lambda c: repr(c[:12]))
def test_another_kind_of_file_is_called_by_its_name(content: bytes) -> None:
    with pytest.raises(t7.NotTorch, match=re.escape(NOT_TORCH[content])):
        t7.load(content)


def test_bytecode_is_never_run(tmp_path: Path) -> None:
    """A function stays bytes, whatever they are; a layout cannot name code."""
    payload: Any = b"\x1bLua os.execute('touch pwned')"
    read = t7.load(t7.dumps(t7.Function(payload, t7.Table())))
    assert read.bytecode == payload
    for step in ("eval x", "__import__ x", "bytes:os x", "at_end x"):
        with pytest.raises(t7.BadValue):
            t7.load(b"\0\0\0\0", layouts={"Any": [step]})
