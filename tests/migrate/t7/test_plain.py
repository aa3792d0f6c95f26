"""``plain``: arrays, lists and dicts, with sharing and circles kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrate import t7
from migrate.t7 import BoolKey, Table

IO = Path(__file__).parents[3] / "golden" / "io"


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        (Table(), {}),
        (Table({1.0: "a", 2.0: "b"}), ["a", "b"]),
        (Table({2.0: "b", 1.0: "a"}), ["a", "b"]),
        (Table({1.0: "a", 3.0: "c"}), {1: "a", 3: "c"}),
        (Table({0.0: "z", 1.0: "a"}), {0: "z", 1: "a"}),
        (Table({1.0: "a", "n": 1.0}), {1: "a", "n": 1.0}),
        (Table({1.5: "x", -2.0: "y", 1e300: "z"}), {1.5: "x", -2: "y", 1e300: "z"}),
        (Table({BoolKey.TRUE: 1.0, "a": 2.0}), {True: 1.0, "a": 2.0}),
        (Table({BoolKey.TRUE: 1.0, 1.0: 2.0}), {BoolKey.TRUE: 1.0, 1: 2.0}),
        (Table({BoolKey.FALSE: 1.0, 1.0: 2.0}), {False: 1.0, 1: 2.0}),
        (Table({1.0: Table({1.0: None})}), [[None]]),
        (Table({float("inf"): 1.0}), {float("inf"): 1.0}),
    ],
)
def test_tables(table: Table, wanted: Any) -> None:
    result = t7.plain(table)
    assert result == wanted
    assert type(result) is type(wanted)
    if isinstance(wanted, dict):
        assert [str(key) for key in result if key != 1e300] == [
            str(key) for key in wanted if key != 1e300
        ]


def test_circles_and_sharing_stay() -> None:
    a = t7.plain(t7.load(IO / "cyclic_tables/object.t7"))
    assert a["self"] is a
    assert a["b"]["a"] is a
    assert a["b"]["list"][1] is a["b"]


def test_one_tensor_is_one_array() -> None:
    read = t7.load(t7.dumps({"x": (w := np.arange(4.0)), "y": [w, w[1:]]}))
    plain = t7.plain(read)
    assert plain["x"] is plain["y"][0]
    assert plain["x"] is not plain["y"][1]


def test_objects_stay_native() -> None:
    read = t7.load(IO / "class_plain/object.t7")
    plain = t7.plain(read)
    objects = [item for item in plain if isinstance(item, t7.TorchObject)]
    assert objects
    assert all(isinstance(item.fields, Table) for item in objects)


def test_keys_that_are_containers_stay() -> None:
    plain = t7.plain(t7.load(IO / "keys_mixed/object.t7"))
    assert {type(key).__name__ for key in plain} == {
        "str",
        "int",
        "bool",
        "BoolKey",
        "Table",
        "Tensor",
    }


@pytest.mark.parametrize("value", [None, True, 2.5, "text"])
def test_scalars_stay(value: Any) -> None:
    assert t7.plain(value) is value


def test_a_storage_is_its_elements() -> None:
    plain = t7.plain(t7.load(IO / "storage_Long/object.t7"))
    assert isinstance(plain, np.ndarray)
    assert plain.dtype == np.int64
