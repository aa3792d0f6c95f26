from __future__ import annotations

import json
import math
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from deepbird_v2.data import (
    DataError,
    DecodeMode,
    Feature,
    FeatureConfig,
    FeatureKind,
    Split,
    decode_batch,
    feature_id,
)

if TYPE_CHECKING:
    from pathlib import Path

UNIVERSE = ["user.age", "user.tags", "item.age", "item.price", "clicked"]


def test_from_names() -> None:
    config = FeatureConfig.from_names(
        continuous=["user.age"],
        sparse_binary=["user.tags"],
        labels=["clicked"],
        splits=[("user", [r"^user\."]), ("none", ["^x"])],
    )
    assert config.ids == (feature_id("user.age"), feature_id("user.tags"))
    assert config.features[1].kind == FeatureKind.SPARSE_BINARY
    assert config.labels == (Feature(feature_id("clicked"), "clicked"),)
    assert config.splits == (Split("user", config.ids), Split("none", ()))
    assert config.name_of[feature_id("clicked")] == "clicked"


def test_regular_expressions_need_a_universe() -> None:
    config = FeatureConfig.from_names(continuous=[r".*\.age", "item.price"], universe=UNIVERSE)
    assert [f.name for f in config.features] == ["user.age", "item.age", "item.price"]
    with pytest.raises(DataError, match="universe"):
        FeatureConfig.from_names(continuous=[r".*\.age"])
    with pytest.raises(DataError, match="matches none of the 5"):
        FeatureConfig.from_names(continuous=["user"], universe=UNIVERSE)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"features": (Feature(1, "a"), Feature(1, "b"))}, "features: id 1 appears twice"),
        ({"features": (), "labels": (Feature(1), Feature(1))}, "labels: id 1"),
        ({"features": (Feature(1),), "splits": (Split("s", (2,)),)}, "no kept feature"),
        ({"features": (), "splits": (Split("s", ()), Split("s", ()))}, "same name"),
    ],
)
def test_contradictions(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        FeatureConfig(**arguments)


def test_json_round_trip(tmp_path: Path) -> None:
    for default in (math.nan, 0.0, -1.5):
        config = FeatureConfig.from_names(
            continuous=["a"],
            string=["b"],
            labels=["l"],
            weights=["w"],
            splits=[("one", ["a"])],
            decode_mode=DecodeMode.VALUE_NAME,
            default_label=default,
        )
        config.save(tmp_path / "config.json")
        loaded = FeatureConfig.load(tmp_path / "config.json")
        assert loaded == config
        assert hash(loaded) == hash(config)
    assert loaded != config.replace(weights=())


def test_copies_hold_the_value_and_not_what_was_cached() -> None:
    config = FeatureConfig.from_names(continuous=["a"], labels=["l"])
    assert len(decode_batch([b"\0"], config)) == 1  # makes a plan
    loaded = pickle.loads(pickle.dumps(config))
    assert loaded == config
    assert loaded.plans == {}
    assert len(decode_batch([b"\0"], config.replace(features=()))) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not JSON"),
        ('{"version": 2}', "version 2"),
        ("{}", "version None"),
        ('{"version": 1}', "not a feature config"),
    ],
)
def test_bad_files(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(DataError, match=reason):
        FeatureConfig.load(path)


def test_sidecar(flights: Path, tmp_path: Path) -> None:
    path = flights / "features.json"
    config = FeatureConfig.from_features_json(path)
    assert len(config.features) == 28
    assert all(feature_id(f.name or "") == f.id for f in (*config.features, *config.labels))
    assert [split.name for split in config.splits] == ["flight", "aircraft", "weather"]
    assert sum(len(split.ids) for split in config.splits) == 28
    assert sum(f.kind == FeatureKind.CONTINUOUS for f in config.features) == 16
    some = FeatureConfig.from_features_json(path, keep=[r"weather\..*", "flight.dest"])
    assert len(some.features) == 10
    several = tmp_path / "several.json"
    several.write_text(json.dumps({"features": {"a": 5, "b": "-6", "c": 7}, "labels": ["c", "b"]}))
    read = FeatureConfig.from_features_json(several)
    assert read.ids == (5,)
    assert [label.id for label in read.labels] == [7, -6]
    bad = tmp_path / "features.json"
    bad.write_text(json.dumps({"names": []}))
    with pytest.raises(DataError, match=r"not a features\.json"):
        FeatureConfig.from_features_json(bad)
