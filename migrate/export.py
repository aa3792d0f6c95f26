"""A converted model on disk: the model folder, and what it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import keras

from deepbird_v2.export import save_model
from deepbird_v2.folder import building, sha256, write_manifest
from migrate import inputs
from migrate.converter import Converted
from migrate.records import output_names, takes_records

__all__ = ["CONVERSION", "export", "record_outputs"]

CONVERSION = "conversion.json"
VERSION = 1


def export(
    converted: Converted,
    folder: str | Path,
    *,
    sources: Mapping[str, Path] | None = None,
    predictions: tuple[str, ...] = (),
    overwrite: bool = False,
) -> Path:
    """Write a converted model as a model folder, all of it or nothing.

    Args:
        converted: the model.
        folder: where to; it must not exist unless ``overwrite``.
        sources: role → file that it was converted from (``config``, ``weights``, ``features``).
        predictions: for a DataRecord model, the prediction names that exist; its outputs take the
            closest.
        overwrite: replace an existing folder.

    Returns:
        The folder.

    Raises:
        FolderError: the folder exists.
    """
    records = takes_records(converted.module) and converted.features is not None
    model, outputs = converted.model, {}
    if records:
        outputs = output_names(model.name, converted.module, predictions)
        model = record_outputs(converted, outputs)
    with building(folder, overwrite) as scratch:
        save_model(scratch, model, converted.features if records else None)
        report = describe(converted, outputs, sources or {})
        (scratch / CONVERSION).write_text(json.dumps(report, indent=1) + "\n")
        names = list(outputs.values()) or [f"output_{n}" for n in _numbers(model)]
        write_manifest(scratch, model.name, "records" if records else "tensors", names)
    return Path(folder)


def record_outputs(converted: Converted, outputs: Mapping[str, str]) -> Any:
    """The Keras model that gives the named outputs of some modules as a dict."""
    tensors = {name: converted.taps[path] for path, name in outputs.items()}
    return keras.Model(converted.model.input, tensors, name=converted.model.name)


def _numbers(model: Any) -> range:
    return range(1, len(keras.tree.flatten(model.output)) + 1)


def describe(
    converted: Converted, outputs: Mapping[str, str], sources: Mapping[str, Path]
) -> dict[str, Any]:
    """``conversion.json``: sources, converters, where every tensor went, versions."""
    return {
        "format": "deepbird-conversion",
        "version": VERSION,
        "sources": {
            role: {"path": str(path.resolve()), "sha256": sha256(path) if path.is_file() else None}
            for role, path in sources.items()
        },
        "outputs": {name: path for path, name in outputs.items()},
        "inputs": inputs.to_json(converted.plan),
        "static_batch": converted.report.static_batch,
        "modules": [
            {"path": path, "class": cls, "converter": name, "restrictions": restrictions}
            for path, cls, name, restrictions in converted.report.modules
        ],
        "tensors": [
            {
                "torch": b.path,
                "variable": b.variable.path,
                "via": b.via.name,
                "shape": list(b.shape),
                "trainable": b.trainable,
            }
            for b in converted.report.bindings
        ],
        "seams": {path: seam.to_json() for path, seam in converted.seams.items()},
        "versions": {name: _version(name) for name in ("deepbird", "tensorflow", "keras", "numpy")},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
