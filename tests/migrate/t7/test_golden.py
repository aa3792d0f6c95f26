"""Every golden file reads as real Torch read it, and writes back byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from migrate import t7

GOLDEN = Path(__file__).parents[3] / "golden"
IO = GOLDEN / "io"

EXPECTED = {
    f"{path.parent.name}/{name}": dump
    for path in sorted(IO.glob("*/expected.json"))
    for name, dump in json.loads(path.read_text()).items()
}
CORRUPTED = {
    "01_empty.t7": (t7.NotTorch, 0, ""),
    "02_truncated_half.t7": (t7.Truncated, 846, "m.modules[1].weight"),
    "03_truncated_last_byte.t7": (t7.Truncated, 127, ""),
    "04_truncated_in_header.t7": (t7.Truncated, 15, ""),
    "05_bad_type_tag.t7": (t7.BadTag, 0, ""),
    "06_negative_string_length.t7": (t7.BadLength, 4, ""),
    "07_huge_string_length.t7": (t7.Truncated, 4, ""),
    "08_unknown_class.t7": (t7.UnknownLayout, 37, ""),
    "09_sizes_exceed_storage.t7": (t7.BadTensor, 37, ""),
    "10_negative_ndim.t7": (t7.BadTensor, 37, ""),
    "11_bad_storage_offset.t7": (t7.BadTensor, 37, ""),
    "12_random_text.t7": (t7.NotTorch, 0, ""),
    "13_ascii_truncated.t7": (t7.Truncated, 1179, "m.modules[1].weight"),
    "14_ascii_bad_number.t7": (t7.BadNumber, 92, "t"),
    "16_huge_storage_size.t7": (t7.Truncated, 127, ""),
    "17_index_to_wrong_kind.t7": (t7.BadReference, 28, "[1]"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_dump_is_what_torch_loaded(name: str) -> None:
    assert t7.dump(t7.load(IO / name)) == EXPECTED[name]


@pytest.mark.parametrize("name", ["multi_binary.t7", "multi_ascii.t7"])
def test_references_reach_across_the_objects_of_a_file(name: str) -> None:
    folder = IO / "multi_object_file"
    objects = t7.load_all(folder / name)
    sequence = t7.Table(enumerate(objects, 1))
    assert t7.dump(sequence) == json.loads((folder / "expected_sequence.json").read_text())
    assert objects[2] is objects[0]["t"]
    assert objects[1]["again"] is objects[0]


@pytest.mark.parametrize("mode", ["binary", "ascii"])
def test_bare_scalars_between_objects(mode: str) -> None:
    folder = IO / "raw_mixed_file"
    values = json.loads((folder / "case.json").read_text())["values"]
    file = t7.open_raw(folder / f"raw_{mode}.bin", mode=mode)
    read = file.cursor
    assert {
        "int": read.read_int(),
        "long": read.read_long(),
        "double": read.read_double(),
        "float": read.read_float(),
        "shorts": [read.read_short() for _ in values["shorts"]],
        "table": t7.plain(file.read_object()),
        "string": file.read_object(),
    } == values
    assert read.at_end()


@pytest.mark.parametrize(
    ("name", "mode", "long_size", "byte_order"),
    [
        ("longsize_4_and_8/long4.t7", "binary", 4, "little"),
        ("longsize_4_and_8/long4_small.t7", "binary", 4, "little"),
        ("longsize_4_and_8/long8.t7", "binary", 8, "little"),
        ("big_endian/big.t7", "binary", 8, "big"),
        ("class_plain/object_ascii.t7", "ascii", 8, "little"),
    ],
)
def test_how_a_file_was_written_is_found_out(
    name: str, mode: str, long_size: int, byte_order: str
) -> None:
    document = t7.open_document(IO / name)
    assert (document.mode, document.long_size, document.byte_order) == (mode, long_size, byte_order)
    assert document.end == document.size == (IO / name).stat().st_size
    assert document.notes == ()


@pytest.mark.parametrize("name", CORRUPTED)
def test_a_damaged_file_gives_one_clear_error(name: str) -> None:
    kind, offset, where = CORRUPTED[name]
    path = IO / "corrupted" / name
    with pytest.raises(t7.T7Error) as caught:
        t7.load(path)
    error = caught.value
    assert (type(error), error.offset, error.where) == (kind, offset, where)
    assert str(error).startswith(f"{path}, byte {offset}")
    assert error.hint in str(error)


def test_a_binary_file_is_not_read_as_ascii() -> None:
    with pytest.raises(t7.NotTorch, match="in binary mode, not in ascii mode; read it with"):
        t7.load(IO / "corrupted" / "15_binary_read_as_ascii.t7", mode="ascii")


def test_what_follows_the_last_object_is_reported() -> None:
    document = t7.open_document(IO / "corrupted" / "18_trailing_garbage.t7")
    good = IO / "corrupted" / "good_tensor.t7"
    assert t7.dump(document.objects[0]) == t7.dump(t7.load(good))
    assert (len(document.objects), document.end) == (1, good.stat().st_size)
    assert "13 bytes follow" in document.notes[0]


def test_every_intact_file_is_written_byte_for_byte() -> None:
    checked = 0
    for path in sorted(GOLDEN.rglob("*.t7")):
        if path.parent.name in {"corrupted", "multi_object_file"} or path.name == "big.t7":
            continue
        document = t7.open_document(path)
        written = t7.dumps(
            document.objects[0],
            mode=document.mode,
            long_size=document.long_size,
        )
        assert written == path.read_bytes(), path
        checked += 1
    assert checked > 2800
