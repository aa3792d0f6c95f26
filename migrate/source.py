"""Anything that a user may call "the v1 model", as a module tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from migrate import t7
from migrate.graph import GraphError, Module, build
from migrate.records import YAML_SUFFIXES
from migrate.t7.objects import Table, TorchObject

__all__ = ["load_module"]


def load_module(source: Any, weights: Any = None) -> Module:
    """The module tree of a path, of a loaded value, or of a YAML config with weights.

    Args:
        source: ``.t7`` path, YAML path, loaded Torch value (the model may sit in a table), or tree.
        weights: for YAML: ``.t7`` path, TensorIO folder, or mapping.

    Raises:
        GraphError: there is no module in it, or more than one and no telling which.
    """
    if isinstance(source, Module):
        return source
    if isinstance(source, str | Path):
        path = Path(source)
        if path.suffix in YAML_SUFFIXES:
            from migrate.from_yaml import load_yaml

            return load_yaml(path, weights)
        source = t7.load(path)
    return build(_model_in(source))


def _model_in(value: Any) -> TorchObject:
    if isinstance(value, TorchObject):
        return value
    if isinstance(value, Table | dict | list):
        found = t7.find_modules(value)
        if len(found) == 1:
            return found[0][1]
        names = ", ".join(f"{path} [{obj.class_name}]" for path, obj in found[:8])
        raise GraphError(
            f"the file holds {len(found)} models ({names}); pass the one you mean"
            if found
            else "the file holds no module: only plain values and tensors"
        )
    raise GraphError(f"expected a Torch module, got {type(value).__name__}")
