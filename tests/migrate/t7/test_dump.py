"""The canonical form: numbers as LuaJIT prints them, names of upvalues, limits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrate import t7
from migrate.t7.bytecode import upvalue_names

IO = Path(__file__).parents[3] / "golden" / "io"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (-0.0, "-0"),
        (0.1, "0.10000000000000001"),
        (1e100, "1e+100"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (2.0**53 + 2, "9007199254740994"),
        # Exactly halfway between two texts of 17 digits: away from zero.
        (0.647449493408203125, "0.64744949340820313"),
        (-0.647449493408203125, "-0.64744949340820313"),
    ],
)
def test_numbers(number: float, text: str) -> None:
    assert t7.dump(number) == {"number": text}


@given(st.floats(allow_nan=False))
def test_every_number_comes_back(number: float) -> None:
    assert float(t7.dump(number)["number"]) == number


def test_json_is_the_same_dump() -> None:
    value = t7.load(IO / "nested_mixed/object.t7")
    text = t7.dump_json(value)
    assert json.loads(text) == t7.dump(value)
    assert text.endswith("}\n")


def test_a_value_of_no_file_is_refused() -> None:
    with pytest.raises(t7.BadValue, match="set has no canonical form"):
        t7.dump(t7.Table(a={1}))


def test_names_of_upvalues() -> None:
    read = t7.load(IO / "functions/object.t7")
    assert upvalue_names(read["g"].bytecode) == ["n", "t"]
    assert upvalue_names(read["plain"].bytecode) == []


def test_bytecode_without_names() -> None:
    whole = t7.load(IO / "functions/object.t7")["g"].bytecode
    for content in (b"", b"\x1bLua", b"\x1bLJ\x02\x02", *(whole[:i] for i in range(len(whole)))):
        assert all(isinstance(name, str) for name in upvalue_names(content))


@given(st.binary(max_size=80))
def test_any_bytes_as_bytecode(content: bytes) -> None:
    assert isinstance(upvalue_names(b"\x1bLJ\x02" + content), list)


def test_big_elements_keep_their_digits() -> None:
    values = [2**53 + 1, -(2**63), 2**63 - 1]
    shown = t7.dump(t7.load(t7.dumps(np.array(values))))
    assert shown["storage"]["values"] == [str(value) for value in values]
