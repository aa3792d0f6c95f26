from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepbird_v2.data import ContainerError, open_records, read_records, write_records
from deepbird_v2.data.block_format import MARKER, encode_blocks, scan_blocks

from .conftest import GOLDEN, load

if TYPE_CHECKING:
    from pathlib import Path

VECTORS = load(GOLDEN / "v2_runtime" / "block_format.json")
# Where the published reader was wrong: a tag is refused when either half of it is wrong, and an
# empty block does not end the file.
STRICTER = {"case_dev_tag_wrong_but_wiretype_ok", "case_dev_tag_ok_but_wiretype_wrong"}
LONGER = {"case_dev_two_blocks_empty_middle": ["61", "62"]}


def drain(path: Path) -> tuple[list[str], bool]:
    """Records delivered, and whether an error ended them."""
    found: list[str] = []
    try:
        found.extend(record.hex() for record in open_records(path))
    except ContainerError:
        return found, True
    return found, False


@pytest.mark.parametrize("name", VECTORS)
def test_published_reader(runtime: Path, name: str) -> None:
    path = runtime / name
    expected, error = VECTORS[name]["read"]["records_hex"], VECTORS[name]["read"]["error"]
    if path.stem in STRICTER:
        assert drain(path) == ([], True)
    else:
        assert drain(path) == (LONGER.get(path.stem, expected), error is not None)


@pytest.mark.parametrize("name", ["dev_per100", "dev_per3", "dev_per1"])
def test_written_bytes(runtime: Path, tmp_path: Path, name: str) -> None:
    path = runtime / "blocks" / f"{name}.block"
    vector = VECTORS[f"blocks/{name}.block"]
    records = [bytes.fromhex(record) for record in vector["written_hex"]]
    target = tmp_path / "out.block"
    write_records(target, records, records_per_block=vector["records_per_block"])
    assert target.read_bytes() == path.read_bytes()
    # The same blocks, gzipped by the published writer.
    assert list(read_records(path.with_suffix(".block.gz"))) == records


@given(st.lists(st.binary(max_size=300), max_size=12), st.integers(1, 5))
def test_round_trip(records: list[bytes], per_block: int) -> None:
    found, errors = scan_blocks(encode_blocks(records, records_per_block=per_block))
    assert list(found) == records
    assert errors == ()


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_garbage_around_blocks_is_passed_over(before: bytes, after: bytes) -> None:
    data = before + encode_blocks([b"one", b""]) + after + encode_blocks([b"two"])
    assert list(scan_blocks(data)[0]) == [b"one", b"", b"two"]


def test_every_truncation() -> None:
    data = encode_blocks([b"aaaa", b"bbbbb", b"c"], records_per_block=2)
    first = data.index(MARKER, 1)
    for size in range(len(data)):
        found, errors = scan_blocks(data[:size])
        assert list(found) == [b"aaaa", b"bbbbb", b"c"][: len(found)]
        in_header = size < 20 or first <= size < first + 20
        assert bool(errors) != in_header
    assert len(scan_blocks(data[: first + 5])[0]) == 2


def block(body: bytes, size: int | None = None) -> bytes:
    return MARKER + struct.pack("<i", len(body) if size is None else size) + body


GOOD = b"\x08\x01\x12\x01c\x1a\x01x"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x08\x02\x12\x01c", "version 2"),
        (b"\x12\x01c", "unexpected tag 0x12"),
        (b"\x08\x01\x1a\x01x", "unexpected tag 0x1a"),
        (GOOD + b"\x22\x01y", "unexpected tag 0x22"),
        (b"\x08\x01\x12\x7fc", "truncated"),
        (b"\x08\x01\x12\x01c\x1a\xff\xff\xff\xff\x0f", "truncated"),
        (b"\x08\x01\x12\x01c\x1a" + b"\xff" * 11, "longer than 10"),
        (b"\x08\x01\x12\x01c\x1a\x80", "truncated in a number"),
    ],
)
def test_damaged_bodies(tmp_path: Path, body: bytes, reason: str) -> None:
    path = tmp_path / "damaged"
    path.write_bytes(block(body) + block(GOOD))
    with pytest.raises(ContainerError, match=reason):
        read_records(path)
    # Leniently, reading goes on at the next marker.
    lenient = list(read_records(path, strict=False))
    assert lenient[-1] == b"x"


def test_lenient_reading_takes_any_field_order() -> None:
    data = block(b"\x1a\x01a\x12\x01c\x20\x05\x29" + b"\0" * 8 + b"\x2a\x01z\x08\x01\x1a\x01b")
    found, errors = scan_blocks(data, strict=False)
    assert list(found) == [b"a", b"b"]
    assert errors == ()


@pytest.mark.parametrize("size", [0, -1, -(2**31)])
def test_sizes_that_are_not_positive_are_skipped(size: int) -> None:
    found, errors = scan_blocks(block(b"", size) + block(GOOD))
    assert (list(found), errors) == ([b"x"], ())


def test_a_size_past_the_end() -> None:
    found, errors = scan_blocks(block(GOOD, 2**31 - 1))
    assert list(found) == [b"x"]
    assert "truncated" in str(errors[0])


def test_writing_is_all_or_nothing(tmp_path: Path) -> None:
    def failing() -> object:
        yield b"one"
        raise RuntimeError("the source broke")

    target = tmp_path / "out"
    target.write_bytes(b"before")
    with pytest.raises(RuntimeError):
        write_records(target, failing())  # type: ignore[arg-type]  # a generator of bytes
    assert target.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="positive"):
        write_records(tmp_path / "x", [], records_per_block=0)
    with pytest.raises(ValueError, match="1022"):
        write_records(tmp_path / "x", [], class_name="c" * 1023)
    write_records(tmp_path / "empty.lzo", [])
    assert list(read_records(tmp_path / "empty.lzo")) == []
