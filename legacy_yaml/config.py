"""What a document says, typed: consumers read these and never the YAML again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from legacy_yaml.problems import Mark

if TYPE_CHECKING:
    from legacy_yaml.nodes import ScalarValue

Value: TypeAlias = "ScalarValue | tuple[Value, ...] | Mapping[str, Value] | Layer"


@dataclass(frozen=True, slots=True)
class Split:
    """One branch of a ``modules.SplitLayer``.

    Attributes:
        name: The branch's name.
        features: Names or regular expressions of the features it takes; empty with ``columns``.
        columns: 1-based columns of a dense input it takes; empty with ``features``.
        layers: Its own layers, in order.
        mark: Where it was written.
        path: Where it stands in the document.
    """

    name: str
    features: tuple[str, ...]
    columns: tuple[int, ...]
    layers: tuple[Layer, ...]
    mark: Mark = field(compare=False)
    path: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer with every argument bound to its parameter.

    Attributes:
        class_name: ``modules.FullDenseLayer``, ``nn.Linear``, ...
        args: Value of every parameter that has one, defaults filled in; a parameter without
            value is absent, as an argument that is ``nil`` is in Lua.
        given: The parameters that the document set itself.
        layers: Children of a container, in order; the wrapped module of a decorator.
        splits: Branches of a ``modules.SplitLayer``.
        mark: Where the class was written.
        path: ``model[3].modules.FullDenseLayer``.
    """

    class_name: str
    args: Mapping[str, Value] = field(default_factory=dict)
    given: frozenset[str] = field(default=frozenset(), compare=False)
    layers: tuple[Layer, ...] = ()
    splits: tuple[Split, ...] = ()
    mark: Mark = field(default=Mark("", 1, 1), compare=False)
    path: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Data:
    """Where records come from and which features they bring.

    Attributes:
        format: ``DataRecord`` or ``tensor``.
        compression: ``none``, ``gz`` or ``lzo``.
        train: Globs of training files.
        eval: Globs of evaluation files.
        labels: Names of the label features.
        weights: Names of the weight features.
        features: Feature type (``continuous``, ``binary``, ``discrete``, ``string``,
            ``sparseBinary``, ``sparseContinuous``) to names or regular expressions.
    """

    format: str = "DataRecord"
    compression: str = "none"
    train: tuple[str, ...] = ()
    eval: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    features: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Discretizer:
    """How features become bins; ``type`` is Percentile, MDL, Hashing or PreserveBins."""

    type: str
    num_bins: int
    output_bits: int


@dataclass(frozen=True, slots=True)
class Criterion:
    """The loss.

    Attributes:
        type: A Torch criterion without ``nn.``, e.g. ``BCECriterion``.
        size_average: Whether the loss is averaged over the batch.
        weights: Weight of each class or output.
        args: Further constructor parameters (``margin``, ``p``, ...), defaults filled in.
    """

    type: str
    size_average: bool = True
    weights: tuple[float, ...] | None = None
    args: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Optimization:
    """How the model is trained.

    Attributes:
        method: A function of Torch's ``optim``, e.g. ``adagrad``.
        options: The method's own options as given; Torch's defaults are not filled in.
        batch_size: Examples a step.
        epochs: Passes over the data, or None.
        max_iterations: Steps, or None.
        shuffle: Whether the order of examples changes each epoch.
    """

    method: str
    options: Mapping[str, Value] = field(default_factory=dict)
    batch_size: int | None = None
    epochs: int | None = None
    max_iterations: int | None = None
    shuffle: bool | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of the model's output; ``type`` is Isotonic."""

    type: str
    num_bins: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A whole v1 document; sections that it leaves out are None."""

    name: str
    model: tuple[Layer, ...]
    seed: int | None = None
    data: Data | None = None
    discretizer: Discretizer | None = None
    criterion: Criterion | None = None
    optimization: Optimization | None = None
    calibration: Calibration | None = None
    metrics: tuple[str, ...] = ()
    variables: Mapping[str, Value] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data in the dialect's own spelling, defaults filled in, placeholders gone."""
        sections = {
            "name": self.name,
            "seed": self.seed,
            "variables": self.variables,
            "data": _section(self.data),
            "discretizer": _section(self.discretizer),
            "model": self.model,
            "criterion": _flat(_section(self.criterion), "args"),
            "optimization": _flat(_section(self.optimization), "options"),
            "calibration": _section(self.calibration),
            "metrics": self.metrics,
        }
        return {key: plain(value) for key, value in sections.items() if value not in (None, (), {})}

    def dumps(self) -> str:
        """A YAML document that loads to an equal config."""
        return yaml.safe_dump(_escape(self.to_dict()), sort_keys=False, allow_unicode=True)


def plain(value: Any) -> Any:
    """Lists, mappings and scalars for a value, layers in the dialect's spelling."""
    match value:
        case Layer():
            return _plain_layer(value)
        case Split():
            parts = {"features": value.features, "columns": value.columns, "layers": value.layers}
            return {"name": value.name} | {k: plain(v) for k, v in parts.items() if v}
        case Mapping():
            return {key: plain(item) for key, item in value.items()}
        case tuple():
            return [plain(item) for item in value]
    return value


def _plain_layer(layer: Layer) -> Any:
    args = {key: plain(value) for key, value in layer.args.items()}
    if layer.splits:
        args["splits"] = plain(layer.splits)
    if layer.layers:
        args["layers"] = plain(layer.layers)
    return {layer.class_name: args} if args else layer.class_name


def camel(name: str) -> str:
    """The dialect's spelling of an attribute: ``num_bins`` is ``numBins``."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def snake(name: str) -> str:
    """The attribute for the dialect's spelling: the inverse of ``camel``."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: f"_{match[1].lower()}", name)


def _section(section: Any) -> dict[str, Any] | None:
    if section is None:
        return None
    values = {camel(name): getattr(section, name) for name in section.__dataclass_fields__}
    return {key: value for key, value in values.items() if value not in (None, (), {})}


def _flat(section: dict[str, Any] | None, inner: str) -> dict[str, Any] | None:
    """Lifts the mapping under ``inner`` to the section's own level."""
    if section is not None:
        section |= section.pop(inner, {})
    return section


def _escape(value: Any) -> Any:
    """Doubles the dollar of literal ``${`` so that it is not read as a placeholder."""
    match value:
        case str():
            return value.replace("${", "$${")
        case dict():
            return {_escape(key): _escape(item) for key, item in value.items()}
        case list():
            return [_escape(item) for item in value]
    return value
