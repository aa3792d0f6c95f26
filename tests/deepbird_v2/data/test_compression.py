from __future__ import annotations

import gzip
import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepbird_v2.data import ContainerError, read_records
from deepbird_v2.data._lzo1x import lzo1x_decompress
from deepbird_v2.data.compression import compress, decompress, read_file
from deepbird_v2.data.lzop import LZOP_MAGIC

if TYPE_CHECKING:
    from pathlib import Path

lzo = pytest.importorskip("lzo")

contents = st.one_of(
    st.binary(max_size=2000),
    st.lists(st.sampled_from([b"abc", b"defgh", b"\0" * 50, b"x" * 400]), max_size=60).map(
        b"".join
    ),
)


@settings(deadline=None)
@given(contents, st.sampled_from([".lzo", ".gz", ".lzo_deflate", ".block", ""]))
def test_round_trip(content: bytes, suffix: str) -> None:
    if suffix in (".block", "") and content[:1] in (b"\x1f", b"\x89"):
        return
    assert decompress(compress(content, suffix), suffix) == content


@settings(deadline=None)
@given(contents, st.sampled_from([1, 9]))
def test_lzo_against_the_library(content: bytes, level: int) -> None:
    packed = lzo.compress(content, level, False)
    assert lzo1x_decompress(packed, len(content)) == content
    native = pytest.importorskip("deepbird_v2.data._native")
    assert native.lzo1x_decompress(packed, len(content)) == content


@settings(max_examples=300, deadline=None)
@given(contents, st.integers(0), st.integers(0, 255), st.booleans())
def test_damaged_lzo_is_the_same_from_both_cores(
    content: bytes, at: int, byte: int, cut: bool
) -> None:
    native = pytest.importorskip("deepbird_v2.data._native")
    packed = bytearray(lzo.compress(content, 1, False))
    at %= len(packed)
    packed[at] = byte
    data = bytes(packed[:at] if cut else packed)

    def attempt(decompress: object) -> object:
        try:
            return decompress(data, len(content))  # type: ignore[operator]  # either function
        except ContainerError as error:
            return str(error)

    assert attempt(native.lzo1x_decompress) == attempt(lzo1x_decompress)


@pytest.mark.parametrize("size", [0, 1, 10])
def test_the_twin_without_the_library_gives_the_same(size: int) -> None:
    from deepbird_v2.data import _fallback

    packed = lzo.compress(b"a" * size, 1, False)
    assert _fallback.lzo1x_decompress(packed, size) == lzo1x_decompress(packed, size)
    with pytest.raises(ContainerError):
        _fallback.lzo1x_decompress(packed[:-1], size)


def test_far_matches() -> None:
    """Matches of every distance class, up to 48 KiB."""
    import random

    source = random.Random(3)
    blob = source.randbytes(60_000)
    content = b"".join(
        blob[at : at + 40] + blob[max(0, at - back) : at]
        for at in range(2000, 60_000, 1500)
        for back in (3, 5, 9, 40, 700)
    )
    for level in (1, 9):
        assert lzo1x_decompress(lzo.compress(content, level, False), len(content)) == content


def lzop(
    content: bytes,
    *,
    version: int = 0x1040,
    flags: int = 0x1,
    method: int = 1,
    block: int = 1000,
    name: bytes = b"",
    stored: bool = False,
) -> bytes:
    """An lzop file with any flags."""
    head = struct.pack(">HH", version, 0x20A0)
    if version >= 0x0940:
        head += struct.pack(">H", 0x0940)
    head += bytes([method])
    if version >= 0x0940:
        head += b"\x05"
    head += struct.pack(">III", flags, 0o100644, 1234)
    if version >= 0x0940:
        head += struct.pack(">I", 0)
    head += bytes([len(name)]) + name
    head_sum = zlib.crc32 if flags & 0x1000 else zlib.adler32
    out = LZOP_MAGIC + head + struct.pack(">I", head_sum(head))
    if flags & 0x40:
        extra = struct.pack(">I", 3) + b"ext"
        out += extra + struct.pack(">I", head_sum(extra))
    for at in range(0, len(content), block):
        data = content[at : at + block]
        packed = data if stored else lzo.compress(data, 1, False)
        packed = min(packed, data, key=len)
        out += struct.pack(">II", len(data), len(packed))
        sums = [(0x1, zlib.adler32, data), (0x100, zlib.crc32, data)]
        if len(packed) < len(data):
            sums += [(0x2, zlib.adler32, packed), (0x200, zlib.crc32, packed)]
        out += b"".join(struct.pack(">I", sum_(of)) for flag, sum_, of in sums if flags & flag)
        out += packed
    return out + b"\0\0\0\0"


CONTENT = b"".join(b"row %d of the table;" % (i % 50) for i in range(300))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"flags": 0},
        {"flags": 0x303},
        {"flags": 0x1000 | 0x1},
        {"flags": 0x0300_0000 | 0x1},
        {"flags": 0x40 | 0x1},
        {"flags": 0x40 | 0x1000 | 0x100},
        {"version": 0x0930},
        {"version": 0x1010, "name": b"requests.block"},
        {"method": 2},
        {"method": 3},
        {"stored": True, "flags": 0x303},
        {"block": 10_000},
    ],
)
def test_lzop_variants(either_core: str, options: dict[str, int]) -> None:
    assert decompress(lzop(CONTENT, **options)) == CONTENT  # type: ignore[arg-type]  # a table


def test_concatenated_lzop() -> None:
    assert decompress(lzop(b"one") + lzop(CONTENT)) == b"one" + CONTENT


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda f: f[:30], "truncated"),
        (lambda f: f[:-4], "truncated in block size"),
        (lambda f: f[:-100], "truncated"),
        (lambda f: f + b"x", "garbage after the end"),
        (lambda f: f[:15] + b"\x09" + f[16:], "method 9"),
        (lambda f: f[:12] + b"\xff" + f[13:], "header checksum"),
        (lambda f: f[:13] + b"\x20" + f[14:], "needs version"),
        (lambda f: f[:19] + b"\x04\x01" + f[21:], "split file"),
        (lambda f: f[:19] + b"\x08\x01" + f[21:], "filters"),
        (lambda f: f[:18] + b"\x0c" + f[19:], "reserved flags"),
        (lambda f: f[:38] + struct.pack(">I", 65 << 20) + f[42:], "at most 67108864"),
        (lambda f: f[:42] + struct.pack(">I", 1001) + f[46:], "1001 bytes compressed, 1000 plain"),
        (lambda f: f[:46] + b"\0\0\0\0" + f[50:], "adler32 of the block"),
    ],
)
def test_damaged_lzop(damage: object, reason: str) -> None:
    file = lzop(CONTENT)
    with pytest.raises(ContainerError, match=reason):
        decompress(damage(file))  # type: ignore[operator]  # a function


@pytest.mark.parametrize("flag", [0x1, 0x2, 0x100, 0x200])
def test_every_checksum_is_checked(flag: int) -> None:
    file = bytearray(lzop(CONTENT, flags=flag))
    file[46] ^= 1
    with pytest.raises(ContainerError, match="does not match"):
        decompress(bytes(file))


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    zeros = bytes(1 << 20)
    for suffix in (".gz", ".lzo", ".lzo_deflate"):
        path = tmp_path / f"bomb{suffix}"
        path.write_bytes(compress(zeros, suffix))
        assert read_file(path) == zeros
        with pytest.raises(ContainerError, match="more than 1000 bytes"):
            read_file(path, max_size=1000)
    # A block that yields more than it declares.
    packed = lzo.compress(zeros, 1, False)
    with pytest.raises(ContainerError, match="more than the 100 bytes it declares"):
        lzo1x_decompress(packed, 100)


def test_gzip_members_and_padding() -> None:
    two = gzip.compress(b"one") + gzip.compress(b"two") + b"\0" * 7
    assert decompress(two) == b"onetwo"
    with pytest.raises(ContainerError, match="gzip: truncated"):
        decompress(gzip.compress(CONTENT)[:-9])
    with pytest.raises(ContainerError, match="gzip"):
        decompress(gzip.compress(b"one") + b"garbage")


def test_names_that_lie() -> None:
    with pytest.raises(ContainerError, match=r"named \.lzo, but begins with 70 6c"):
        decompress(b"plain", ".lzo")
    assert decompress(gzip.compress(CONTENT), ".lzo") == CONTENT  # the magic number knows better


@pytest.mark.parametrize("cut", [2, 6, 10, -1])
def test_truncated_hadoop_blocks(cut: int) -> None:
    with pytest.raises(ContainerError, match="truncated"):
        decompress(compress(CONTENT, ".lzo_deflate")[:cut], ".lzo_deflate")


def test_real_files(flights: Path, either_core: str) -> None:
    assert len(read_records(flights / "requests.lzo")) == 2500
