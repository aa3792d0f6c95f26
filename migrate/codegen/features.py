"""The features of a DataRecord model as source text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from migrate.codegen.literals import WIDTH, packed, quoted

if TYPE_CHECKING:
    from deepbird_v2.data.config import FeatureConfig
    from deepbird_v2.data.features import Split
    from legacy_yaml.config import Config

__all__ = ["feature_lines", "groups_code", "kinds_known", "named", "split_lines"]

INDENT = "    "


def kinds_known(features: FeatureConfig) -> bool:
    """Whether every feature can be written by name and kind; a sidecar file may not tell."""
    return all(feature.kind is not None and feature.name for feature in features.features)


def groups_code(features: FeatureConfig) -> str:
    """The feature ids of each split, as an expression of what the script defines."""
    if kinds_known(features):
        return "[split.ids for split in FEATURES.splits]"
    return "SPLIT_IDS" if named(features) else "list(SPLITS.values())"


def feature_lines(features: FeatureConfig, config: Config | None) -> Iterator[str]:
    """``FEATURES``: features by kind, labels, weights and splits."""
    kinds: dict[str, list[str]] = {}
    for feature in features.features:
        kind = feature.kind.name.lower() if feature.kind else ""
        kinds.setdefault(kind, []).append(quoted(str(feature.name)))
    yield "FEATURES = FeatureConfig.from_names("
    for kind, names in kinds.items():
        yield from _listed(f"{kind}=", names, ",", INDENT)
    for role, found in (("labels", features.labels), ("weights", features.weights)):
        if found:
            yield from _listed(f"{role}=", [quoted(str(f.name)) for f in found], ",", INDENT)
    if features.splits:
        yield f"{INDENT}splits=["
        for split in features.splits:
            patterns = [quoted(pattern) for pattern in _patterns(split, features, config)]
            yield from _listed(f"({quoted(split.name)}, ", patterns, "),", INDENT * 2)
        yield f"{INDENT}],"
    yield ")  # fmt: skip"


def split_lines(features: FeatureConfig) -> Iterator[str]:
    """``SPLITS``: names, or else ids, of the features of each split."""
    yield "SPLITS = {"
    for split in features.splits:
        names = [quoted(features.name_of[id_]) for id_ in split.ids] if named(features) else None
        codes = names or [str(id_) for id_ in split.ids]
        yield from _listed(f"{quoted(split.name)}: ", codes, ",", INDENT)
    yield "}  # fmt: skip"
    if named(features):
        yield "SPLIT_IDS = [[feature_id(name) for name in names] for names in SPLITS.values()]"


def named(features: FeatureConfig) -> bool:
    """Whether the names say the ids."""
    from deepbird_v2.data.feature_ids import feature_id

    ids = {id_ for split in features.splits for id_ in split.ids}
    names = features.name_of
    return all(id_ in names and feature_id(names[id_]) == id_ for id_ in ids)


def _patterns(split: Split, features: FeatureConfig, config: Config | None) -> Sequence[str]:
    """The expressions of the config; without one, the names of the split's features."""
    for layer in config.model if config else ():
        for written in layer.splits:
            if written.name == split.name:
                return written.features
    return [f"^{features.name_of[id_]}$".replace(".", r"\.") for id_ in split.ids]


def _listed(head: str, codes: Sequence[str], tail: str, indent: str) -> Iterator[str]:
    """A list after ``head``, on one line if it fits."""
    line = f"{indent}{head}[{', '.join(codes)}]{tail}"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"{indent}{head}["
    yield from packed(codes, indent + INDENT)
    yield f"{indent}]{tail}"
