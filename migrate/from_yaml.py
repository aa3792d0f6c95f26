"""A v1 YAML config, with its weights, as the same tree that the ``.t7`` file gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate import t7
from migrate.construct import Constructor, make
from migrate.fill import fill
from migrate.graph import GraphError, Module, build
from migrate.t7.objects import Table, TorchObject

if TYPE_CHECKING:
    from deepbird_v2.data.config import FeatureConfig
    from legacy_yaml.config import Config, Layer

__all__ = ["feature_config", "load_yaml", "read_weights", "skeleton"]


def skeleton(config: Config) -> TorchObject:
    """The network of a config as Torch would construct it, without values."""
    layers, construct = config.model, Constructor()
    if len(layers) == 1 and layers[0].class_name == "nn.Sequential":
        return construct(layers[0])
    return make("nn.Sequential", {}, *(construct(layer) for layer in layers))


def load_yaml(path: str | Path, weights: Any, **options: Any) -> Module:
    """The module tree of a config and its weights.

    Args:
        path: of the YAML file.
        weights: ``.t7`` path, TensorIO folder, or a value as :func:`migrate.fill.fill` takes.
        options: for :func:`legacy_yaml.load`.

    Raises:
        legacy_yaml.ConfigError: the config has problems; all are listed.
        GraphError: there are no weights.
        WeightError: the weights do not fit.
    """
    import legacy_yaml

    config = legacy_yaml.load(path, **options)
    if weights is None:
        raise GraphError(f"{path}: a config has no weights; give them (--weights FILE)")
    tree = skeleton(config)
    fill(
        tree, read_weights(weights), str(weights) if isinstance(weights, str | Path) else "weights"
    )
    return build(tree)


def read_weights(weights: Any) -> Any:
    """Weights from a ``.t7`` path or a TensorIO folder; anything else is returned as it is."""
    if not isinstance(weights, str | Path):
        return weights
    path = Path(weights)
    if path.is_dir():
        from migrate import tensorio

        return tensorio.read(path)
    value = t7.load(path)
    if isinstance(value, Table):
        found = t7.find_modules(value)
        return found[0][1] if len(found) == 1 else t7.plain(value)
    return value


def feature_config(config: Config, universe: Sequence[str] | None = None) -> FeatureConfig | None:
    """Which features, labels and splits a config reads from DataRecords; None if it reads none.

    Args:
        config: the loaded config.
        universe: all feature names of the data, needed where the config has regular expressions.

    Raises:
        DataError: an expression matches nothing, or there is no universe to match it against.
    """
    from deepbird_v2.data.config import FeatureConfig

    data = config.data
    if data is None or data.format != "DataRecord":
        return None
    features = {_snake(kind): names for kind, names in data.features.items()}
    splits = [
        (split.name, split.features) for layer in _flat(config.model) for split in layer.splits
    ]
    return FeatureConfig.from_names(
        **features,  # type: ignore[arg-type]  # its keys are the six kinds of feature
        labels=data.labels,
        weights=data.weights,
        splits=splits,
        universe=universe,
    )


def _flat(layers: Sequence[Layer]) -> list[Layer]:
    return [inner for layer in layers for inner in (layer, *_flat(layer.layers))]


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
