"""Discretizers from wherever v1 and the published v2 library left them.

=======================================  ==========================================================
source                                   what is read
=======================================  ==========================================================
``*.t7``                                 the ``modules.DiscretizerLayer`` in it
a TensorIO folder (``spec.yaml``)        entries named as that layer's tensors
a model folder (``model.json``)          the discretizer layer of the model
``<name>_bin.json``                      feature_ids, bin_boundaries, output_bits, rows in the
                                         order of calibration
a state file                             as it is
=======================================  ==========================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from deepbird_v2.discretizers import file, published
from deepbird_v2.discretizers.errors import StateError
from deepbird_v2.discretizers.state import Discretizer
from migrate.graph import Module, build, walk
from migrate.records import sidecar
from migrate.tensorio import SPEC

__all__ = ["load_discretizer"]

Kind = Literal["percentile", "hashing", "hashed-percentile", "mdl"]
Array = np.ndarray[Any, Any]

_CLASS = "modules.DiscretizerLayer"
# Our name → the names that the sources have for it.
_FIELDS = {
    "feature_ids": ("featureIds", "feature_ids"),
    "bin_vals": ("binVals", "bin_vals", "bin_boundaries"),
    "bin_ids": ("binIds", "bin_ids"),
    "output_bits": ("outputBits", "output_bits"),
}


def load_discretizer(
    path: str | Path, *, kind: Kind = "percentile", float32: bool = False, options: int = 0
) -> Discretizer:
    """Read a discretizer.

    Args:
        path: any source in this module's table.
        kind: what a ``_bin.json`` is of; it does not say so itself. The published runtime compared
            in float32, so give ``float32``, too, where its files have to answer as it did.
        float32: round the edges, and the values compared with them, to float32, as a runtime would
            that has no wider type.
        options: search and hash of kind ``hashing``, see
            `deepbird_v2.discretizers.published.hashing`; the file does not tell them either.

    Returns:
        The state, with v1's search, edges and ids, and feature names where a ``features.json``
        beside the source has them.

    Raises:
        StateError: there is no discretizer in it, there are several, or it makes no sense.
        ValueError, OSError: the source cannot be read.
    """
    if kind not in get_args(Kind):
        raise StateError(f"no kind {kind!r}; there are {', '.join(get_args(Kind))}")
    state = _load(Path(path), kind, options)
    return state.rounded() if float32 else state


def _load(path: Path, kind: Kind, options: int) -> Discretizer:
    if path.is_dir():
        if (path / SPEC).is_file():
            return _named(_from_fields(_tensorio(path), str(path), kind, options), path)
        return _named(_from_model(path), path)
    if path.suffix == ".t7":
        return _named(_from_fields(_t7(path), str(path), kind, options), path)
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise StateError(
            f"{path}: no .t7 file, TensorIO or model folder, and not JSON ({error})"
        ) from None
    if isinstance(data, dict) and data.get("format") == file.FORMAT:
        return file.load(path)
    if not isinstance(data, dict):
        raise StateError(f"{path}: holds no discretizer: its JSON is no object")
    fields = _chosen(data, str(path))
    return _named(_from_fields(fields, str(path), kind, options), path)


def _t7(path: Path) -> dict[str, Any]:
    from migrate import t7

    found = [
        m for _, obj in t7.find_modules(t7.load(path)) for m in walk(build(obj)) if _is_layer(m)
    ]
    if len(found) != 1:
        raise StateError(f"{path}: holds {len(found)} modules of class {_CLASS}, expected one")
    (layer,) = found
    config = layer.get("config", {})
    bits = config.get("outputBits") if isinstance(config, Mapping) else None
    return {
        "feature_ids": layer.array("featureIds"),
        "bin_vals": layer.array("binVals"),
        "bin_ids": layer.array("binIds"),
        "output_bits": bits or layer.get("outputBits"),
    }


def _is_layer(module: Module) -> bool:
    return module.class_name == _CLASS


def _tensorio(folder: Path) -> dict[str, Any]:
    from migrate import tensorio

    values = tensorio.read(folder)
    return _chosen({name.rpartition(".")[2]: value for name, value in values.items()}, str(folder))


def _chosen(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The fields of a discretizer, under our names."""
    fields = {
        ours: next((data[name] for name in names if name in data), None)
        for ours, names in _FIELDS.items()
    }
    for ours in ("feature_ids", "bin_vals"):
        if fields[ours] is None:
            names = " or ".join(_FIELDS[ours])
            raise StateError(f"{where}: holds no discretizer: no {names} in it")
    return fields


def _from_fields(fields: Mapping[str, Any], where: str, kind: Kind, options: int) -> Discretizer:
    bits = fields["output_bits"]
    if bits is None:
        raise StateError(f"{where}: says nowhere how many output bits there are")
    try:
        ids = np.asarray(fields["feature_ids"])
        edges = np.asarray(fields["bin_vals"])
        if ids.dtype.kind not in "iu" or ids.ndim != 1:
            raise StateError(f"feature ids are {ids.dtype} {ids.shape}, expected integers [F]")
        if edges.ndim == 1 and len(ids) and edges.size % len(ids) == 0:
            edges = edges.reshape(len(ids), -1)
        if edges.dtype.kind not in "iuf":
            raise StateError(f"bin boundaries are {edges.dtype}, expected numbers")
        if kind == "hashing":
            return published.hashing(ids, edges, int(bits), options)
        if kind == "hashed-percentile":
            return published.hashed_percentile(ids, edges, int(bits))
        bin_ids = None if fields["bin_ids"] is None else np.asarray(fields["bin_ids"])
        make = published.mdl if kind == "mdl" else published.percentile
        return make(ids, edges, int(bits), bin_ids)
    except (TypeError, ValueError) as error:
        raise StateError(f"{where}: {error}") from None


def _from_model(folder: Path) -> Discretizer:
    """The discretizer of a model; imports TensorFlow."""
    from deepbird_v2.folder import read_manifest

    read_manifest(folder)
    from deepbird_v2.export import load_keras
    from deepbird_v2.layers.discretizer import Discretizer as Layer
    from deepbird_v2.layers.percentile_discretizer import PercentileDiscretizer

    model = load_keras(folder / "model.keras")
    found = [x for x in model.layers if isinstance(x, Layer | PercentileDiscretizer)]
    if len(found) != 1:
        raise StateError(f"{folder}: the model has {len(found)} discretizers, expected one")
    state = found[0].state()
    return state if isinstance(state, Discretizer) else state.discretizer


def _named(state: Discretizer, source: Path) -> Discretizer:
    """The state with the names that a ``features.json`` beside (or in) the source gives."""
    beside = source / "features.json" if source.is_dir() else sidecar(source)
    if beside is None or not beside.is_file():
        return state
    from deepbird_v2.data.config import FeatureConfig

    data = json.loads(beside.read_text(encoding="utf-8"))
    features = data.get("features") if isinstance(data, dict) else None
    if isinstance(features, dict):
        return state.with_names({int(i): name for name, i in features.items()})
    return state.with_names(dict(FeatureConfig.load(beside).name_of))
