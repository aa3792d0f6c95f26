"""Any value that a file can hold comes back the same, shared and in circles, in every mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrate import t7

if TYPE_CHECKING:
    from pathlib import Path

WAYS = [("binary", 8), ("binary", 4), ("ascii", 8)]
NUMBER_TYPES = ["Byte", "Char", "Short", "Int", "Long", "Half", "Float", "Double"]
DTYPES = ["u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]

any_text = st.binary(max_size=12).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
scalars = (
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | any_text
    | st.sampled_from(["weight", "bias", "_type"])
)
keys = st.floats(allow_nan=False) | any_text | st.sampled_from(list(t7.BoolKey))
names = st.sampled_from(["nn.Linear", "nn.Sequential", "my.Class", "Ünïcode"])


@st.composite
def storages(draw: st.DrawFn) -> t7.Storage:
    at = draw(st.integers(0, len(DTYPES) - 1))
    count = draw(st.integers(0, 6))
    raw = draw(st.binary(min_size=count * 4, max_size=count * 4))
    numbers = np.frombuffer(raw, "<i4")
    with np.errstate(over="ignore"):
        data = numbers.astype(DTYPES[at])
    return t7.Storage(f"torch.{NUMBER_TYPES[at]}Storage", data)


@st.composite
def tensors(draw: st.DrawFn) -> t7.Tensor:
    storage = draw(storages())
    name = storage.class_name.replace("Storage", "Tensor")
    held, dtype = len(storage.data), storage.data.dtype
    if not held:
        return t7.Tensor(name, (), (), 0, draw(st.sampled_from([None, storage])), dtype)
    offset = draw(st.integers(0, held - 1))
    size, stride, last = [], [], offset
    for _ in range(draw(st.integers(1, 3))):
        n, step = draw(st.integers(1, 4)), draw(st.integers(0, 3))
        if last + (n - 1) * step < held:
            size.append(n)
            stride.append(step)
            last += (n - 1) * step
    size, stride = size or [1], stride or [1]
    return t7.Tensor(name, tuple(size), tuple(stride), offset, storage, dtype)


@st.composite
def values(draw: st.DrawFn) -> Any:
    """Containers first, then what is in them: any of them, so that they share and go in circles."""
    tables = [t7.Table() for _ in range(draw(st.integers(1, 4)))]
    objects = [
        t7.TorchObject(draw(names), draw(st.sampled_from([None, 1, 2, 17])))
        for _ in range(draw(st.integers(0, 3)))
    ]
    functions = [
        t7.Function(draw(st.binary(max_size=9)), draw(st.sampled_from([None, tables[0]])), tag)
        for tag in draw(st.lists(st.sampled_from([7, 8]), max_size=2))
    ]
    leaves = draw(st.lists(tensors() | storages(), max_size=3))
    containers = [*tables, *objects, *functions, *leaves]
    anything = scalars | st.sampled_from(containers)
    for table in [*tables, *(item.fields for item in objects)]:
        for key in draw(st.lists(keys | st.sampled_from(containers), max_size=4)):
            item = draw(anything)
            if item is not None:
                table[key] = item
    return draw(st.sampled_from([tables[0], *containers]))


@pytest.mark.parametrize(("mode", "long_size"), WAYS)
@settings(max_examples=60, deadline=None)
@given(value=values() | scalars)
def test_what_is_written_is_read(mode: str, long_size: int, value: Any) -> None:
    written = t7.dumps(value, mode=mode, long_size=long_size)
    told = t7.load(written, mode=mode, long_size=long_size)
    assert t7.dump(told) == t7.dump(value)
    # A file of the value that was read is the same file.
    assert t7.dumps(told, mode=mode, long_size=long_size) == written


@settings(max_examples=60, deadline=None)
@given(value=values() | scalars)
def test_the_usual_file_needs_no_help(value: Any) -> None:
    for mode in ("binary", "ascii"):
        document = t7.open_document(t7.dumps(value, mode=mode))
        assert (document.mode, document.notes) == (mode, ())
        assert t7.dump(document.objects[0]) == t7.dump(value)


@pytest.mark.parametrize(("mode", "long_size"), WAYS)
def test_pythons_own_values(mode: str, long_size: int, tmp_path: Path) -> None:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    value = {
        "list": [1, 2.5, "x", True],
        "weight": weight,
        "same": weight,
        "none": None,
        3: b"\xff",
    }
    path = tmp_path / "model.t7"
    t7.save(path, value, mode=mode, long_size=long_size)
    read = t7.plain(t7.load(path, long_size=long_size))
    assert read["list"] == [1.0, 2.5, "x", True]
    assert read["same"] is read["weight"]
    np.testing.assert_array_equal(read["weight"], weight)
    assert read[3] == "\udcff"
    assert "none" not in read
    assert [p.name for p in tmp_path.iterdir()] == ["model.t7"]


def test_arrays_of_any_order_are_written_as_they_read() -> None:
    grid = np.arange(24, dtype=np.int64).reshape(2, 3, 4)
    for array in (grid.T, grid[:, ::2], grid[..., ::-1], np.asfortranarray(grid), grid[:0]):
        read = t7.load(t7.dumps(array))
        np.testing.assert_array_equal(read.numpy().reshape(array.shape), array)
        assert read.class_name == "torch.LongTensor"


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (object(), {}, "a object cannot stand"),
        (1 << 60 | 1, {}, "no double"),
        (10**400, {}, "no double"),
        ({float("nan"): 1}, {}, "None or nan"),
        ({None: 1}, {}, "None or nan"),
        (np.zeros(2, complex), {}, "complex128"),
        (np.array(1.0), {}, "0 dimensions"),
        (np.array([1 << 40]), {"long_size": 4}, "4 bytes"),
        (1.0, {"mode": "text"}, "mode='text'"),
        (1.0, {"long_size": 2}, "long_size=2"),
        (t7.Storage("torch.FloatStorage", np.zeros(2)), {}, "FloatStorage of float64"),
        (t7.TorchObject("tds.Vec", 0, t7.Table(a=1.0)), {}, "not 1..n"),
        (t7.TorchObject("torch.Generator"), {}, "no 'state'"),
    ],
)
def test_what_no_file_can_hold_is_refused(
    value: Any, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "kept.t7"
    path.write_bytes(b"before")
    with pytest.raises(t7.T7Error, match=message):
        t7.save(path, value, **options)
    assert path.read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1
