"""The independent reader ``torchfile`` sees the same values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchfile

from migrate import t7

GOLDEN = Path(__file__).parents[3] / "golden"
# What torchfile cannot read at all.
BEYOND_IT = {
    "big_endian/big.t7",
    "class_custom_rw/object.t7",
    "function_recursive/object.t7",  # loses its place behind LuaJIT's bytecode
    "keys_mixed/object.t7",  # keys that are arrays
    "legacy_tags/function_tag6.t7",
    "longsize_4_and_8/long4.t7",
    "longsize_4_and_8/long4_small.t7",
    "tds_hash_vec/object.t7",
    "tensor_Half/object.t7",
    "Profile/model.t7",  # holds a torch.Timer
}


def same(ours: Any, theirs: Any, seen: set[int]) -> None:
    if id(ours) in seen:
        return
    if isinstance(ours, t7.Tensor):
        seen.add(id(ours))
        if theirs is None:  # its form of a tensor that never had a storage
            assert ours.storage is None
        else:
            np.testing.assert_array_equal(ours.numpy(), theirs)
            assert ours.numpy().dtype == theirs.dtype
    elif isinstance(ours, t7.Storage):
        np.testing.assert_array_equal(ours.data, theirs)
    elif isinstance(ours, t7.TorchObject):
        seen.add(id(ours))
        assert ours.class_name == theirs.torch_typename().decode()
        same(ours.fields, theirs._obj, seen)
    elif isinstance(ours, t7.Table):
        seen.add(id(ours))
        same_table(ours, theirs, seen)
    elif isinstance(ours, t7.Function):
        assert ours.bytecode == theirs.dumped
    elif isinstance(ours, str):
        assert ours.encode("utf-8", "surrogateescape") == theirs
    elif isinstance(ours, float):
        np.testing.assert_equal(theirs, ours)
    else:
        assert ours == theirs


def same_table(ours: t7.Table, theirs: Any, seen: set[int]) -> None:
    scalars = {key: value for key, value in ours.items() if isinstance(key, (str, float))}
    for key, value in scalars.items():
        theirs_key = key.encode("utf-8", "surrogateescape") if isinstance(key, str) else key
        same(value, theirs[theirs_key], seen)


def files() -> list[Path]:
    return [
        path
        for path in sorted(GOLDEN.glob("io/*/*.t7")) + sorted(GOLDEN.glob("m*/*/model*.t7"))
        if "ascii" not in path.name
        and path.parent.name != "corrupted"
        and f"{path.parent.name}/{path.name}" not in BEYOND_IT
    ]


@pytest.mark.parametrize("path", files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_both_readers_agree(path: Path) -> None:
    theirs = torchfile.load(
        str(path),
        utf8_decode_strings=False,
        use_list_heuristic=False,
        use_int_heuristic=False,
    )
    same(t7.load(path), theirs, set())
