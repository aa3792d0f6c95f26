"""What a DataRecord model needs to know of its features: from YAML, or from a sidecar file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from migrate.graph import GraphError, Module, walk, with_fields

if TYPE_CHECKING:
    from deepbird_v2.data.config import FeatureConfig

__all__ = [
    "attach_splits",
    "find_features",
    "output_names",
    "prediction_names",
    "sidecar",
    "takes_records",
]

SIDECAR = "features.json"
YAML_SUFFIXES = (".yaml", ".yml")


def takes_records(module: Module) -> bool:
    """Whether the model starts from DataRecords (it has a discretizer in front)."""
    return any(m.class_name == "modules.DiscretizerLayer" for m in walk(module))


def attach_splits(module: Module, features: FeatureConfig | None) -> Module:
    """Tell every split layer which feature ids each of its towers takes.

    Args:
        module: root of the tree.
        features: with the splits, in the order of the towers.

    Raises:
        GraphError: the splits are unknown, or as many as the towers are not.
    """
    changes = {}
    for split in (m for m in walk(module) if m.class_name == "modules.SplitLayer"):
        towers = len(split.children[0].children) if split.children else 0
        if features is None or not features.splits:
            raise GraphError(
                f"{split}: which features feed which of its {towers} towers is not in the weights; "
                f"convert from the YAML config, or put a {SIDECAR} with 'splits' beside the file "
                f"(or name one with --features)"
            )
        if len(features.splits) != towers:
            names = ", ".join(s.name for s in features.splits)
            raise GraphError(
                f"{split}: has {towers} towers, but the splits are {len(features.splits)}: {names}"
            )
        changes[split.path] = {"splits": tuple(s.ids for s in features.splits)}
    return with_fields(module, changes) if changes else module


def sidecar(source: Path) -> Path | None:
    """The feature file beside a model file, if there is one."""
    path = source.parent / SIDECAR
    return path if path.is_file() else None


def find_features(source: object, path: str | Path | None = None) -> FeatureConfig | None:
    """The features that a model reads: from a given file, its YAML config, or its sidecar.

    Args:
        source: what is converted; only a path can have a config or a sidecar.
        path: a ``features.json`` or a feature configuration, which goes before both.

    Raises:
        DataError: the file is neither.
    """
    if path is not None:
        return _read_features(Path(path))
    if not isinstance(source, str | Path):
        return None
    source = Path(source)
    beside = sidecar(source)
    if source.suffix in YAML_SUFFIXES:
        import legacy_yaml
        from migrate.from_yaml import feature_config

        universe = _names(beside) if beside else None
        found: FeatureConfig | None = feature_config(legacy_yaml.load(source), universe)
        return found
    return _read_features(beside) if beside else None


def _read_features(path: Path) -> FeatureConfig:
    from deepbird_v2.data.config import FeatureConfig

    data = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(data, dict) and isinstance(data.get("features"), dict):
        return FeatureConfig.from_features_json(path)
    return FeatureConfig.load(path)


def _names(path: Path) -> list[str]:
    features = json.loads(path.read_text(encoding="utf-8")).get("features", {})
    return list(features) if isinstance(features, dict) else []


def prediction_names(source: Path) -> tuple[str, ...]:
    """Names of the predictions that the sidecar of a model file lists."""
    beside = sidecar(source)
    data = json.loads(beside.read_text(encoding="utf-8")) if beside else {}
    return tuple(data.get("predictions", ()))


def output_names(model: str, module: Module, predictions: Sequence[str] = ()) -> dict[str, str]:
    """Names for what a DataRecord model predicts.

    The score is what the network gives; ``calibrated`` what the isotonic layer makes of it. Where
    a sidecar lists several predictions, the one that shares most words with the model's name is
    meant: ``flights_split`` gives ``prediction.split_score``, ``flights`` ``prediction.score``.

    Args:
        model: name of the model.
        module: root of the tree.
        predictions: names that exist; none: ``prediction.score`` and ``prediction.calibrated``.

    Returns:
        Path of a module → name of its output, in the order of computation.
    """
    words = set(_words(model))
    if any(m.class_name == "modules.SplitLayer" for m in walk(module)):
        words.add("split")
    names = {
        kind: _closest(kind, words, predictions) or f"prediction.{kind}"
        for kind in ("score", "calibrated")
    }
    children = module.children
    if children and children[-1].class_name == "modules.IsotonicLayer":
        return {children[-2].path: names["score"], children[-1].path: names["calibrated"]}
    return {module.path: names["score"]}


def _closest(kind: str, words: set[str], predictions: Sequence[str]) -> str | None:
    ending = [name for name in predictions if _words(name)[-1] == kind]

    def distance(name: str) -> tuple[int, int]:
        own = set(_words(name)) - {kind, "prediction"}
        return (-len(own & words), len(own - words))

    return min(ending, key=distance, default=None)


def _words(name: str) -> list[str]:
    return re.split(r"[^a-z0-9]+", name.lower())
