"""State of the size that calibration would make, where there are no weights yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from migrate.codegen.statements import CodegenError
from migrate.construct.objects import array_tensor
from migrate.t7.objects import Table, TorchObject

if TYPE_CHECKING:
    from legacy_yaml.config import Config

__all__ = ["with_placeholders"]


def with_placeholders(tree: TorchObject, config: Config) -> TorchObject:
    """The tree with state in its discretizer and its isotonic layer.

    A discretizer of n bins has n + 1 edges for each continuous feature; an isotonic map n points.

    Raises:
        CodegenError: the config does not say how many.
    """
    layers = {layer.class_name: layer for layer in config.model}
    continuous = config.data.features.get("continuous", ()) if config.data else ()
    for child in _children(tree):
        layer = layers.get(child.class_name)
        if child.class_name == "modules.DiscretizerLayer" and layer is not None:
            bins, rows = layer.args.get("numBins"), len(continuous)
            if not isinstance(bins, int) or not rows:
                raise CodegenError(
                    f"{layer.path}: needs numBins and continuous features, or calibrated weights"
                )
            edges = np.tile(np.arange(bins + 1.0), (rows, 1))
            ids = np.arange(rows * (bins + 1)).reshape(edges.shape)
            child.fields["featureIds"] = array_tensor(np.arange(rows), "int64")
            child.fields["binVals"] = array_tensor(edges, "float64")
            child.fields["binIds"] = array_tensor(ids, "int64")
            child.fields["outputBits"] = layer.args.get("outputBits")
        elif child.class_name == "modules.IsotonicLayer" and layer is not None:
            bins = layer.args.get("numBins")
            if not isinstance(bins, int):
                raise CodegenError(f"{layer.path}: needs numBins, or calibrated weights")
            points = np.linspace(0.0, 1.0, bins)
            child.fields["xs"] = array_tensor(points, "float64")
            child.fields["ys"] = array_tensor(points, "float64")
    return tree


def _children(tree: TorchObject) -> list[TorchObject]:
    table = tree.get("modules")
    return list(table.values()) if isinstance(table, Table) else []
