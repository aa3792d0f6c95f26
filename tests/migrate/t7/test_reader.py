"""What real files have that tidy ones lack: GPU tensors, classes of one's own, odd longs, links."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrate import t7

GOLDEN = Path(__file__).parents[3] / "golden"


def text(value: str) -> bytes:
    return struct.pack("<i", len(value)) + value.encode()


def head(name: str, index: int = 1) -> bytes:
    return struct.pack("<ii", 4, index) + text("V 1") + text(name)


def tensor(name: str, count: int = 3) -> bytes:
    storage = head(name.replace("Tensor", "Storage"), 2) + struct.pack("<q", count)
    return head(name) + struct.pack("<iqqq", 1, count, 1, 1) + storage


@pytest.mark.parametrize(
    ("name", "dtype", "twin"),
    [
        ("torch.CudaTensor", "<f4", "torch.FloatTensor"),
        ("torch.CudaDoubleTensor", "<f8", "torch.DoubleTensor"),
        ("torch.CudaHalfTensor", "<f2", "torch.HalfTensor"),
        ("torch.CudaLongTensor", "<i8", "torch.LongTensor"),
        ("torch.CudaByteTensor", "<u1", "torch.ByteTensor"),
        ("torch.ClTensor", "<f4", "torch.FloatTensor"),
    ],
)
def test_tensors_of_a_gpu_need_none(name: str, dtype: str, twin: str) -> None:
    numbers = np.array([1, 2, 3], dtype)
    read = t7.load(tensor(name) + numbers.tobytes())
    assert (read.class_name, t7.cpu_twin(name)) == (name, twin)
    np.testing.assert_array_equal(read.numpy(), numbers)
    assert read.numpy().dtype == numbers.dtype


def test_any_other_class_is_its_own_twin() -> None:
    assert t7.cpu_twin("nn.Linear") == "nn.Linear"


def test_an_unknown_class_keeps_name_version_and_fields() -> None:
    read = t7.load(GOLDEN / "io/class_unknown_inside_model/object.t7")
    names = {item.class_name for _, item in t7.walk(read) if isinstance(item, t7.TorchObject)}
    assert any(not name.startswith(("nn.", "torch.")) for name in names)
    assert t7.load(GOLDEN / "io/class_versioned/object.t7").version == 2
    assert t7.load(GOLDEN / "io/legacy_tags/class_without_version.t7").version is None


PAYLOAD = struct.pack("<idq", 7, 1.75, -3) + struct.pack("<hf", 5, 0.5) + text("end") + b"\1\2"
LAYOUT = {"My.Own": ["int i", "double d", "long l", "short s", "float f", "string t", "bytes:2 b"]}
FIELDS = {"i": 7, "d": 1.75, "l": -3, "s": 5, "f": 0.5, "t": "end", "b": b"\1\2"}


@pytest.mark.parametrize("as_file", [False, True])
def test_a_class_that_writes_itself_is_declared(as_file: bool, tmp_path: Path) -> None:
    path = tmp_path / "layouts.json"
    path.write_text(json.dumps(LAYOUT))
    layouts: Any = path if as_file else LAYOUT
    content = head("My.Own") + PAYLOAD
    read = t7.load(content, layouts=layouts)
    assert dict(read.fields) == FIELDS
    assert t7.dumps(read, layouts=layouts) == content
    ascii_form = t7.dumps(read, layouts=layouts, mode="ascii")
    assert dict(t7.load(ascii_form, layouts=layouts).fields) == FIELDS


def test_a_class_that_nobody_declared_is_named() -> None:
    with pytest.raises(t7.UnknownLayout) as caught:
        t7.load(struct.pack("<iiiid", 3, 9, 1, 1, 4.0) + head("My.Own") + PAYLOAD)
    assert caught.value.where == "[4]"
    assert caught.value.offset == 24 + len(head("My.Own"))
    assert "layouts={'My.Own': [" in str(caught.value)


@pytest.mark.parametrize(
    "layouts",
    [{"A": ["int"]}, {"A": ["bytes b"]}, {"A": ["int:3 x"]}, {"A": ["eval x"]}, {"A": "int x"}],
)
def test_a_layout_of_no_known_step_is_refused(layouts: Any) -> None:
    with pytest.raises(t7.BadValue, match="A"):
        t7.load(b"\0\0\0\0", layouts=layouts)


def test_a_layout_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "layouts.json"
    path.write_text("{")
    with pytest.raises(t7.BadValue, match=r"layouts\.json: not JSON"):
        t7.load(b"\0\0\0\0", layouts=path)


def test_a_file_of_4_byte_longs_is_found_out_or_told() -> None:
    value = {"size": np.array([2, 3]), "weight": np.ones((2, 3), np.float32), "epoch": 4}
    content = t7.dumps(value, long_size=4)
    document = t7.open_document(content)
    assert document.long_size == 4
    assert t7.plain(document.objects[0])["size"].dtype == np.int64
    assert t7.dump(t7.load(content, long_size=4)) == t7.dump(t7.load(t7.dumps(value)))
    with pytest.raises(t7.T7Error):
        t7.load(content, long_size=8)
    with pytest.raises(t7.T7Error, match="read it with long_size=4"):
        t7.load(content + b"garbage")
    assert t7.load(content + b"garbage", long_size=4)["epoch"] == 4


def test_several_objects_with_4_byte_longs() -> None:
    one = t7.dumps(np.ones(3), long_size=4)
    two = one.replace(struct.pack("<ii", 4, 1), struct.pack("<ii", 4, 3)).replace(
        struct.pack("<ii", 4, 2), struct.pack("<ii", 4, 4)
    )
    assert t7.open_document(one + two).long_size == 4
    assert [item.size for item in t7.load_all(one + two)] == [(3,), (3,)]
    np.testing.assert_array_equal(t7.load(one + two).numpy(), np.ones(3))


def test_tensors_are_views_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.t7"
    weight = np.arange(1 << 18, dtype=np.float64)
    t7.save(path, {"weight": weight, "more": weight[:10]})
    read = t7.plain(t7.load(path))
    assert not read["weight"].flags.owndata
    assert not read["weight"].flags.writeable
    t7.save(path, read)  # replaces the file under its own views
    np.testing.assert_array_equal(read["weight"], weight)
    np.testing.assert_array_equal(t7.plain(t7.load(path))["weight"], weight)


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_bytes_are_read_as_files_are(make: Any) -> None:
    assert t7.load(make(t7.dumps("text"))) == "text"


def test_a_pipe_is_read() -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, t7.dumps([1.0, 2.0]))
    os.close(write_end)
    assert t7.plain(t7.load(f"/dev/fd/{read_end}")) == [1.0, 2.0]
    os.close(read_end)


def test_ascii_of_other_systems() -> None:
    windows = (
        b"4\r\n1\r\n3\r\nV 1\r\n19\r\ntorch.DoubleStorage\r\n4\r\n1.#INF -1.#IND 1e+003 -nan\r\n"
    )
    np.testing.assert_array_equal(t7.load(windows).data, [np.inf, np.nan, 1000.0, np.nan])
    wrapped = b"4\n1\n3\nV 1\n16\ntorch.IntStorage\n5\n1 2\n3 -4\n5\n"
    np.testing.assert_array_equal(t7.load(wrapped).data, [1, 2, 3, -4, 5])


def test_a_long_ascii_storage_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migrate.t7.ascii._CHUNK", 64)
    numbers = np.random.default_rng(0).normal(size=500)
    read = t7.load(t7.dumps({"x": numbers, "after": "end"}, mode="ascii"))
    np.testing.assert_array_equal(read["x"].numpy(), numbers)
    assert read["after"] == "end"


@pytest.mark.parametrize(
    "numbers",
    [b"1 2 99999999999", b"1 2.5 3", b"1 2 x", b"1 2 0x3", b"1 2 1_0", b"1 2 -", b"1 - 3"],
)
def test_ascii_integers_are_checked(numbers: bytes) -> None:
    with pytest.raises((t7.BadNumber, t7.Truncated)):
        t7.load(b"4\n1\n3\nV 1\n16\ntorch.IntStorage\n3\n" + numbers + b"\n")


@pytest.mark.parametrize("numbers", [b"1.5.5 2", b"1-2 3", b"1 2 1e", b"1,2 3", b"1 2 nanx"])
def test_ascii_numbers_are_checked(numbers: bytes) -> None:
    with pytest.raises(t7.BadNumber):
        t7.load(b"4\n1\n3\nV 1\n19\ntorch.DoubleStorage\n3\n" + numbers + b" 1 1\n")


@pytest.mark.parametrize("options", [{"mode": "text"}, {"long_size": 16}, {"byte_order": "vax"}])
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(t7.BadValue, match="it is one of"):
        t7.load(b"\0\0\0\0", **options)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        t7.load(tmp_path / "none.t7")


def shapes(kind: str, count: int = 3000) -> dict[Any, Any]:
    """Large tables that change their shape on the way, where runs of one shape begin and end."""
    return {
        "numbers": {float(i): i * 0.5 for i in range(count)},
        "numbers, then not": {float(i): i if i % 700 else "text" for i in range(count)},
        "names": {f"entry{i}": float(i) for i in range(count)},
        "texts": {f"k{i:05}": f"v{i:06}" for i in range(count)},
        "number -> text": {float(i): f"{i:04}" for i in range(count)},
        "mixed": {(f"n{i}" if i % 3 else i): (i if i % 2 else f"v{i}") for i in range(count)},
        "zero bytes": {f"{i:04}\0": "\0\0" for i in range(count)},
        "no UTF-8": {f"{i:04}é": "ab\udcff" if i == 900 else "abcd" for i in range(count)},
        "nil and tables": {i: [1.0] if i % 500 == 499 else float(i) for i in range(count)},
        "booleans": {i: i % 900 > 1 for i in range(count)},
    }[kind]


KINDS = ["numbers", "numbers, then not", "names", "texts", "number -> text", "mixed"]
KINDS += ["zero bytes", "no UTF-8", "nil and tables", "booleans"]


@pytest.mark.parametrize("kind", KINDS)
def test_large_tables_of_any_shape(kind: str) -> None:
    value = shapes(kind)
    content = t7.dumps(value)
    read = t7.load(content)
    assert t7.dumps(read) == content
    plain = t7.plain(t7.Table(read, end=True))
    plain.pop("end")
    assert plain == value
    for end in (len(content) - 1, len(content) - 9, len(content) // 2):
        with pytest.raises(t7.Truncated):
            t7.load(content[:end], long_size=8)


def test_a_nan_key_in_a_long_run_is_refused() -> None:
    content = bytearray(t7.dumps({float(i): 1.0 for i in range(1000)}))
    at = 12 + 24 * 500
    content[at + 4 : at + 12] = struct.pack("<d", float("nan"))
    with pytest.raises(t7.BadNumber, match="nan") as caught:
        t7.load(bytes(content))
    assert caught.value.offset == at


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("content", [b"\0\0\0\0", b"\2\0\0\0"])
def test_the_garbage_collector_stays_as_it_was(enabled: bool, content: bytes) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with contextlib.suppress(t7.Truncated):
            t7.load(content)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
