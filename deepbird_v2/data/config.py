"""Which features, labels and weights to read from DataRecords."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from deepbird_v2.data.errors import DataError
from deepbird_v2.data.feature_ids import feature_id
from deepbird_v2.data.features import (
    DecodeMode,
    Feature,
    FeatureKind,
    Split,
    check_unique,
    expand,
    make_splits,
)
from deepbird_v2.data.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_VERSION: Final = 1


@dataclass(frozen=True)
class FeatureConfig:
    """What `decode_batch` keeps of a record.

    Attributes:
        features: Features to keep, each id once.
        labels: Label features; position = column of `Batch.labels`. An id that is also a feature
            is only a feature.
        weights: Weight features; position = column of `Batch.weights`.
        splits: Groups of feature ids, in the order of the model's towers.
        decode_mode: How sparse continuous keys are made.
        default_label: What a missing (or NaN) label becomes; NaN leaves it missing.
    """

    features: tuple[Feature, ...]
    labels: tuple[Feature, ...] = ()
    weights: tuple[Feature, ...] = ()
    splits: tuple[Split, ...] = ()
    decode_mode: DecodeMode = DecodeMode.FEATURE_AND_VALUE_NAME
    default_label: float = field(default=math.nan)

    def __post_init__(self) -> None:
        for what in ("features", "labels", "weights"):
            check_unique(what, getattr(self, what))
        known = set(self.ids)
        for split in self.splits:
            stranger = next((id_ for id_ in split.ids if id_ not in known), None)
            if stranger is not None:
                raise DataError(f"split {split.name!r} names {stranger}, which is no kept feature")
        if len({split.name for split in self.splits}) < len(self.splits):
            raise DataError("two splits have the same name")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FeatureConfig) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.features, self.labels, self.weights, self.splits))

    @cached_property
    def ids(self) -> tuple[int, ...]:
        """Ids of the kept features."""
        return tuple(feature.id for feature in self.features)

    @cached_property
    def name_of(self) -> Mapping[int, str]:
        """Feature, label or weight id to name, where the name is known."""
        every = (*self.features, *self.labels, *self.weights)
        return {f.id: f.name for f in every if f.name is not None}

    @cached_property
    def plans(self) -> dict[str, Any]:
        """The cores' forms of this config, by backend; `decode` fills it."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        # What is cached is no part of the value, and a plan may hold compiled state.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def replace(self, **changes: Any) -> Self:
        """A copy with some attributes changed."""
        return replace(self, **changes)

    @classmethod
    def from_names(
        cls,
        *,
        continuous: Iterable[str] = (),
        binary: Iterable[str] = (),
        discrete: Iterable[str] = (),
        string: Iterable[str] = (),
        sparse_binary: Iterable[str] = (),
        sparse_continuous: Iterable[str] = (),
        labels: Sequence[str] = (),
        weights: Sequence[str] = (),
        splits: Iterable[tuple[str, Sequence[str]]] = (),
        universe: Iterable[str] | None = None,
        decode_mode: DecodeMode = DecodeMode.FEATURE_AND_VALUE_NAME,
        default_label: float = math.nan,
    ) -> Self:
        """Make a config from feature names.

        Args:
            continuous: Names of continuous features, or regular expressions (see `universe`).
            binary: Likewise.
            discrete: Likewise.
            string: Likewise.
            sparse_binary: Likewise.
            sparse_continuous: Likewise.
            labels: Label names, in column order.
            weights: Weight names, in column order.
            splits: (name, regular expressions): a feature belongs to a split when any of the
                expressions is found in its name.
            universe: Every name that exists. With it, a name that is not among them is a regular
                expression that must match some of them entirely.
            decode_mode: See `DecodeMode`.
            default_label: See `FeatureConfig`.

        Raises:
            DataError: A name matches nothing, or looks like an expression without a universe.
        """
        named = {
            FeatureKind.CONTINUOUS: continuous,
            FeatureKind.BINARY: binary,
            FeatureKind.DISCRETE: discrete,
            FeatureKind.STRING: string,
            FeatureKind.SPARSE_BINARY: sparse_binary,
            FeatureKind.SPARSE_CONTINUOUS: sparse_continuous,
        }
        names = None if universe is None else list(universe)
        features = {
            name: Feature(feature_id(name), name, kind)
            for kind, patterns in named.items()
            for pattern in patterns
            for name in expand(pattern, names)
        }
        return cls(
            features=tuple(features.values()),
            labels=tuple(Feature(feature_id(name), name) for name in labels),
            weights=tuple(Feature(feature_id(name), name) for name in weights),
            splits=make_splits(features.values(), splits),
            decode_mode=decode_mode,
            default_label=default_label,
        )

    @classmethod
    def from_features_json(
        cls,
        path: str | Path,
        *,
        keep: Iterable[str] | None = None,
        decode_mode: DecodeMode = DecodeMode.FEATURE_AND_VALUE_NAME,
        default_label: float = math.nan,
    ) -> Self:
        """Read a ``features.json`` sidecar.

        The file maps names to ids under "features"; it may name a "label" or several "labels",
        the "continuous" features, and "splits" (name to regular expression).

        Args:
            path: The file.
            keep: Names or regular expressions of the features to keep; all but the label if None.
            decode_mode: See `DecodeMode`.
            default_label: See `FeatureConfig`.

        Raises:
            DataError: The file is no such sidecar, or a name is unknown.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            ids = {str(name): int(id_) for name, id_ in content["features"].items()}
            label = content.get("labels", [content["label"]] if "label" in content else [])
            continuous = set(content.get("continuous", ()))
            splits = [(name, [pattern]) for name, pattern in content.get("splits", {}).items()]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataError(f"{path}: not a features.json: {error!r}") from error
        patterns = [name for name in ids if name not in label] if keep is None else keep
        features = {
            name: Feature(ids[name], name, FeatureKind.CONTINUOUS if name in continuous else None)
            for pattern in patterns
            for name in expand(pattern, list(ids))
        }
        return cls(
            features=tuple(features.values()),
            labels=tuple(Feature(ids.get(name, feature_id(name)), name) for name in label),
            splits=make_splits(features.values(), splits),
            decode_mode=decode_mode,
            default_label=default_label,
        )

    def to_json(self) -> dict[str, Any]:
        """The config as plain JSON values; ids are decimal strings, safe in any JSON reader."""

        def rows(features: tuple[Feature, ...]) -> list[dict[str, Any]]:
            return [
                {"id": str(f.id), "name": f.name, "kind": f.kind.name.lower() if f.kind else None}
                for f in features
            ]

        return {
            "version": _VERSION,
            "features": rows(self.features),
            "labels": rows(self.labels),
            "weights": rows(self.weights),
            "splits": [{"name": s.name, "ids": [str(id_) for id_ in s.ids]} for s in self.splits],
            "decode_mode": self.decode_mode.name.lower(),
            "default_label": None if math.isnan(self.default_label) else self.default_label,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            DataError: Another version, or a missing or ill-typed entry.
        """
        if content.get("version") != _VERSION:
            found = content.get("version")
            raise DataError(f"feature config version {found!r}: this release reads {_VERSION}")

        def rows(what: str) -> tuple[Feature, ...]:
            return tuple(
                Feature(int(r["id"]), r["name"], r["kind"] and FeatureKind[r["kind"].upper()])
                for r in content[what]
            )

        try:
            default = content["default_label"]
            return cls(
                features=rows("features"),
                labels=rows("labels"),
                weights=rows("weights"),
                splits=tuple(
                    Split(s["name"], tuple(int(id_) for id_ in s["ids"])) for s in content["splits"]
                ),
                decode_mode=DecodeMode[content["decode_mode"].upper()],
                default_label=math.nan if default is None else float(default),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"not a feature config: {error!r}") from error

    def save(self, path: str | Path) -> None:
        """Write the config as JSON."""
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False)
        write_atomically(path, (text + "\n").encode())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path}: not JSON: {error}") from error
        return cls.from_json(content)
