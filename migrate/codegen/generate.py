"""A v1 model in, a Python script out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate.codegen.calibrated import with_placeholders
from migrate.codegen.features import groups_code
from migrate.codegen.layout import Script
from migrate.graph import Module, build
from migrate.records import YAML_SUFFIXES, find_features
from migrate.source import load_module

if TYPE_CHECKING:
    from legacy_yaml.config import Config

__all__ = ["generate"]


def generate(
    source: str | Path, weights: Any = None, *, features: Any = None, example_inputs: Any = None
) -> str:
    """A script that builds, and where the config says how, trains a v1 model.

    Args:
        source: ``.t7`` or YAML path.
        weights: of a YAML source, as :func:`migrate.convert` takes them. Without them the sizes of
            calibrated state are those that the config asks for.
        features: path of a feature configuration, where none is beside the source.
        example_inputs: an input in Torch's form, where the first module does not say its shape.

    Returns:
        Source text, formatted. Its ``build_model()`` makes the model, in whose ``.keras`` file of
        the same layers the weights of a conversion fit.

    Raises:
        CodegenError: parts of the model have no readable form; all are listed.
        ConversionError: a module cannot be converted.
    """
    from migrate.codegen.trace import trace
    from migrate.converter import convert

    path = Path(source)
    config = _config(path)
    found = find_features(path, features)
    module = _module(path, config, weights)
    name = config.name if config else path.stem
    converted = convert(module, example_inputs, features=found, name=name)
    splits = [split.name for split in found.splits] if found else []
    given = {"SparsePartition": {"groups": groups_code(found)}} if found and splits else {}
    traced = trace(converted.model, given, splits)
    return Script(name, path.name, traced, config, found).text()


def _config(path: Path) -> Config | None:
    if path.suffix not in YAML_SUFFIXES:
        return None
    import legacy_yaml

    return legacy_yaml.load(path)


def _module(path: Path, config: Config | None, weights: Any) -> Module:
    if config is None or weights is not None:
        return load_module(path, weights)
    from migrate.from_yaml import skeleton

    return build(with_placeholders(skeleton(config), config))
