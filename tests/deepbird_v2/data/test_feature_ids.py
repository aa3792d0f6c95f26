from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepbird_v2.data import _fallback, discrete_keys, feature_id, feature_ids, string_keys
from deepbird_v2.data._jhash import jhash_many
from deepbird_v2.data._murmur import murmur3_x64_128, name_hash

from .conftest import load

if TYPE_CHECKING:
    from pathlib import Path

NAMES = {
    "": 0,
    "a": -7591212652331886403,
    "#": -3511212329378449922,
    "#x": -3830588450437339016,
    "x#": -32304408150284577,
    "a#b": -3734086814676416176,
    "a#b#c": 3625896783932951138,
    "é": -8822982382499129721,
    "dev#😀": -2293314928257962385,
    "timelines.earlybird_score": -5842831742955753074,
}


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_known_names(name: str, expected: int) -> None:
    assert feature_id(name) == expected
    assert feature_id(name.encode()) == expected


def test_vectors(runtime: Path, either_core: str) -> None:
    vectors = load(runtime / "feature_ids.json")
    good = [v for v in vectors if v["id"] is not None]
    names = [bytes.fromhex(v["name_hex"]) for v in good]
    assert [feature_id(name) for name in names] == [v["id"] for v in good]
    assert feature_ids(names).tolist() == [v["id"] for v in good]


def test_invalid_names(runtime: Path, either_core: str) -> None:
    bad = [v for v in load(runtime / "feature_ids.json") if v["name"] == "(invalid utf-8)"]
    assert len(bad) >= 3
    for vector in bad:
        with pytest.raises(ValueError, match="invalid UTF-8 at byte"):
            feature_ids([bytes.fromhex(vector["name_hex"])])


def test_long_name_with_a_short_family() -> None:
    # Two hashes, however long the name is.
    rest = "z" * 1100
    family = murmur3_x64_128("p".encode("utf-16-le"))[0].to_bytes(8, "little")
    expected = murmur3_x64_128(family + rest.encode("utf-16-le"))[0]
    assert feature_id(f"p#{rest}") & (2**64 - 1) == expected


def test_murmur3(runtime: Path) -> None:
    for vector in load(runtime / "murmur3_x64_128.json"):
        hashed = murmur3_x64_128(bytes.fromhex(vector["hex"]), vector["seed"])
        assert hashed == (vector["h1"], vector["h2"])


def test_overlong_forms_hash_as_what_they_spell() -> None:
    assert feature_id(b"\xc1\xa1") == feature_id("a")


def test_mixed_keys(runtime: Path) -> None:
    vectors = load(runtime / "mixed_keys.json")
    ids, values, keys = map(list, zip(*vectors["discrete"], strict=True))
    assert discrete_keys(ids, values).tolist() == keys
    ids, texts, keys = map(list, zip(*vectors["string"], strict=True))
    assert string_keys(ids, [bytes.fromhex(text) for text in texts]).tolist() == keys


@given(st.lists(st.binary(max_size=40)))
def test_jhash(texts: list[bytes]) -> None:
    def one(text: bytes) -> int:
        h = 0
        for byte in text:
            h = (31 * h + byte) % 2**32
        return h - 2**32 if h >= 2**31 else h

    assert jhash_many(texts).tolist() == [one(text) for text in texts]


@given(
    st.one_of(
        st.binary(max_size=40),
        st.text(max_size=20).map(lambda s: s.encode("utf-8", "surrogatepass")),
    )
)
def test_cores_agree_on_names(name: bytes) -> None:
    native = pytest.importorskip("deepbird_v2.data._native")
    try:
        expected: object = name_hash(name)
    except ValueError as error:
        expected = str(error)
    try:
        found: object = native.name_hashes([name])[0]
    except ValueError as error:
        found = str(error)
    assert found == expected


def test_no_names(either_core: str) -> None:
    assert feature_ids([]).dtype == np.int64
    assert feature_ids([]).shape == (0,)
    assert _fallback.name_hashes([]).shape == (0,)
