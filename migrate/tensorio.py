"""TensorIO folders, the form in which v1 kept weights: ``spec.yaml`` beside raw tensor files.

``spec.yaml`` maps a name to ``{type: tensor, filename, tensorType, offset, size, stride}``: the
offset is 1-based and counts elements, the stride is optional. Other values stand in the spec, as
``{type: ..., data: value}``. A raw file holds the elements of one or more tensors, little-endian.
"""

from __future__ import annotations

import mmap
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

__all__ = ["SPEC", "TensorIOError", "read", "write"]

SPEC: Final = "spec.yaml"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST: Final = 64
_MOST_DIMENSIONS: Final = 64  # NumPy's own limit
_TYPES: Final = {
    "Byte": "<u1",
    "Char": "<i1",
    "Short": "<i2",
    "Int": "<i4",
    "Long": "<i8",
    "Half": "<f2",
    "Float": "<f4",
    "Double": "<f8",
}
_NAMES: Final = {np.dtype(dtype): name for name, dtype in _TYPES.items()}
_LUA_TYPES: Final = ((bool, "boolean"), ((int, float), "number"), (str, "string"))


class TensorIOError(ValueError):
    """A TensorIO folder that cannot be read or written; the message names file, line and entry."""


def read(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """All entries of a folder.

    Tensors are read-only arrays over the memory-mapped files: only what is used is ever read.

    Args:
        folder: that holds ``spec.yaml``.

    Returns:
        Name -> array, or the ``data`` of entries that are no tensor. The quotes that v1 put into
        names are dropped: ``"weight".'1'`` is ``weight.1``.

    Raises:
        TensorIOError: no spec, a spec that is no such mapping, or an entry that does not fit its
            file; a file outside the folder is never opened.
    """
    folder = Path(folder)
    values: dict[str, Any] = {}
    files: dict[Path, mmap.mmap | bytes] = {}
    for name, line, entry in _entries(folder / SPEC):
        where = f"{folder / SPEC}:{line}, entry {name!r}"
        if name in values:
            raise TensorIOError(f"{where}: a second entry of that name; keep one")
        try:
            values[name] = _value(folder, entry, files)
        except (TensorIOError, OSError, RuntimeError) as error:  # RuntimeError: links in a circle
            raise TensorIOError(f"{where}: {error}") from error
    return values


def write(folder: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
    """Writes a folder that ``read`` gives back; an earlier one stays until the new one is complete.

    Args:
        folder: to make; if it exists it must be a TensorIO folder or empty.
        values: dotted name -> array of a type that Torch has, or a bool, number, str, or list.

    Raises:
        TensorIOError: a name or value that the format cannot hold, or a folder of something else.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / SPEC).is_file() and any(folder.iterdir()):
        raise TensorIOError(f"{folder}: exists and holds no {SPEC}; give another folder")
    mark = secrets.token_hex(8)
    fresh, old = (folder.with_name(f".{folder.name}.{mark}.{kind}") for kind in ("new", "old"))
    fresh.mkdir(parents=True)
    try:
        spec = {
            _quoted(name): _put(fresh / f"{i}.raw", name, value)
            for i, (name, value) in enumerate(values.items(), 1)
        }
        (fresh / SPEC).write_text(yaml.safe_dump(spec, sort_keys=False), "utf-8")
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _entries(path: Path) -> Iterator[tuple[str, int, Any]]:
    """Name without quotes, line, and content of each entry of a spec."""
    try:
        text = path.read_text("utf-8")
        _check_depth(text)
        loader = _LOADER(text)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise TensorIOError("not a mapping of names to tensors")
        for key, value in root.value:
            if not isinstance(key, yaml.ScalarNode):
                raise TensorIOError(f"line {key.start_mark.line + 1}: a name that is no text")
            name = key.value.replace('"', "").replace("'", "")
            yield name, key.start_mark.line + 1, loader.construct_object(value, deep=True)
    except FileNotFoundError:
        raise TensorIOError(
            f"{path}: no such file; a TensorIO folder has a {SPEC} beside its tensors"
        ) from None
    except (ValueError, yaml.YAMLError) as error:
        raise TensorIOError(f"{path}: {error}") from error


def _check_depth(text: str) -> None:
    """Refuses nesting that would exhaust the stack of the YAML composer, which is recursive."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise TensorIOError(f"nested too deep, more than {_DEEPEST} levels")


def _value(folder: Path, entry: Any, files: dict[Path, mmap.mmap | bytes]) -> Any:
    if not isinstance(entry, dict) or "type" not in entry:
        raise TensorIOError("not a mapping with a 'type'")
    if entry["type"] != "tensor":
        if "data" not in entry:
            raise TensorIOError(f"type {entry['type']!r} without 'data'")
        return entry["data"]
    missing = [name for name in ("filename", "tensorType", "offset", "size") if name not in entry]
    if missing:
        raise TensorIOError(f"a tensor without {', '.join(missing)}")
    dtype = _dtype(entry["tensorType"])
    size = _integers("size", entry["size"])
    stride = _integers("stride", entry["stride"]) if entry.get("stride") else _contiguous(size)
    (offset,) = _integers("offset", [entry["offset"]])
    if len(stride) != len(size):
        raise TensorIOError(f"size {size} and stride {stride} differ in length")
    data = _data(folder, entry["filename"], dtype, files)
    return _view(data, size, stride, offset - 1)


def _dtype(name: Any) -> np.dtype[Any]:
    plain = str(name).removeprefix("torch.").removesuffix("Tensor")
    if plain not in _TYPES:
        raise TensorIOError(f"no such tensorType {name!r}; there are {', '.join(_TYPES)}")
    return np.dtype(_TYPES[plain])


def _integers(what: str, values: Any) -> tuple[int, ...]:
    if not isinstance(values, list) or len(values) > _MOST_DIMENSIONS:
        raise TensorIOError(f"{what} must be a list of at most {_MOST_DIMENSIONS} integers")
    for value in values:
        # v1's numbers are doubles: 3.0 is an integer.
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value < 1 << 53 or value != int(value):
            raise TensorIOError(f"{what}: {value!r} is no size")
    return tuple(int(value) for value in values)


def _contiguous(size: tuple[int, ...]) -> tuple[int, ...]:
    stride, step = [], 1
    for n in reversed(size):
        stride.append(step)
        step *= n
    return tuple(reversed(stride))


def _data(
    folder: Path, filename: Any, dtype: np.dtype[Any], files: dict[Path, mmap.mmap | bytes]
) -> np.ndarray[Any, Any]:
    """The elements of one file of the folder, mapped once however many tensors share it."""
    root = folder.resolve()
    if not isinstance(filename, str) or "\0" in filename:
        raise TensorIOError(f"filename {filename!r} is no file name")
    path = (root / filename).resolve()
    if not path.is_relative_to(root):
        raise TensorIOError(f"filename {filename!r} is not inside the folder")
    if not path.is_file():
        raise TensorIOError(f"{filename!r} is missing or no regular file")
    if path not in files:
        with path.open("rb") as file:
            filled = path.stat().st_size > 0
            files[path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if filled else b""
    content = files[path]
    count = len(content) // dtype.itemsize
    return np.frombuffer(content, dtype, count) if count else np.empty(0, dtype)


def _view(
    data: np.ndarray[Any, Any], size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> np.ndarray[Any, Any]:
    if not size or 0 in size:
        return np.empty(size or (0,), data.dtype)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if offset < 0 or last >= len(data):
        raise TensorIOError(
            f"size {size}, stride {stride}, offset {offset + 1} need {last + 1} elements, "
            f"the file has {len(data)}; it is cut short, or belongs to another {SPEC}"
        )
    steps = tuple(s * data.itemsize for s in stride)
    try:
        return np.lib.stride_tricks.as_strided(data[offset:], size, steps, writeable=False)
    except ValueError as error:
        raise TensorIOError(f"size {size}: {error}") from None


def _quoted(name: str) -> str:
    """A name as v1 wrote it: text in double quotes, numbers in single ones."""
    if not name or '"' in name or "'" in name:
        raise TensorIOError(f"{name!r} is no name: it is empty or holds quotes")
    parts = name.split(".")
    return ".".join(f"'{part}'" if part.isdecimal() else f'"{part}"' for part in parts)


def _put(path: Path, name: str, value: Any) -> dict[str, Any]:
    """Writes the file of a tensor; returns its entry."""
    if isinstance(value, np.ndarray):
        element = _NAMES.get(value.dtype.newbyteorder("<"))
        if element is None or not value.ndim:
            raise TensorIOError(
                f"{name}: an array of {value.dtype} with {value.ndim} dimensions; "
                f"tensors hold {', '.join(_TYPES)}, in 1 or more dimensions"
            )
        np.ascontiguousarray(value, _TYPES[element]).tofile(path)
        return {
            "type": "tensor",
            "filename": path.name,
            "tensorType": element,
            "offset": 1,
            "size": list(value.shape),
        }
    for kind, lua in _LUA_TYPES:
        if isinstance(value, kind):
            return {"type": lua, "data": value}
    if isinstance(value, list) and all(isinstance(x, (bool, int, float, str)) for x in value):
        return {"type": "table", "data": value}
    raise TensorIOError(f"{name}: a {type(value).__name__} has no place in a TensorIO folder")
