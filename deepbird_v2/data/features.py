"""The words of a feature config: features, kinds, splits, and names that stand for several."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from deepbird_v2.data.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_REGEX_SIGNS: Final = re.compile(r"[\\^$*+?()\[\]{}|]")


class FeatureKind(IntEnum):
    """The wire field a feature travels in; the values of `Batch.kind`."""

    BINARY = 1
    CONTINUOUS = 2
    DISCRETE = 3
    STRING = 4
    SPARSE_BINARY = 5
    SPARSE_CONTINUOUS = 6


class DecodeMode(IntEnum):
    """How the key of a sparse continuous element is made.

    VALUE_NAME hashes the element's name alone, so equal names in two features collide; it is the
    default of the published v2 runtime. FEATURE_AND_VALUE_NAME mixes the feature's id with the
    name, as v1 models do.
    """

    VALUE_NAME = 0
    FEATURE_AND_VALUE_NAME = 1


@dataclass(frozen=True, order=True)
class Feature:
    """A feature: its id, and what else is known of it."""

    id: int
    name: str | None = None
    kind: FeatureKind | None = None


@dataclass(frozen=True)
class Split:
    """A named group of features that feeds one tower of a split model."""

    name: str
    ids: tuple[int, ...]


def check_unique(what: str, features: Iterable[Feature]) -> None:
    """Refuse an id that appears twice."""
    seen: dict[int, Feature] = {}
    for feature in features:
        if feature.id in seen:
            names = (feature.name, seen[feature.id].name)
            raise DataError(f"{what}: id {feature.id} appears twice, as {names[1]!r}, {names[0]!r}")
        seen[feature.id] = feature


def expand(pattern: str, universe: list[str] | None) -> list[str]:
    """The names a name or regular expression stands for."""
    if universe is None:
        if _REGEX_SIGNS.search(pattern):
            raise DataError(
                f"{pattern!r} looks like a regular expression: pass universe= with every name"
            )
        return [pattern]
    if pattern in universe:
        return [pattern]
    found = [name for name in universe if re.fullmatch(pattern, name)]
    if not found:
        raise DataError(f"{pattern!r} matches none of the {len(universe)} known feature names")
    return found


def make_splits(
    features: Iterable[Feature], splits: Iterable[tuple[str, Sequence[str]]]
) -> tuple[Split, ...]:
    """Group features whose name holds any of a split's regular expressions."""
    every = list(features)
    return tuple(
        Split(
            name,
            tuple(f.id for f in every if any(re.search(p, f.name or "") for p in patterns)),
        )
        for name, patterns in splits
    )
