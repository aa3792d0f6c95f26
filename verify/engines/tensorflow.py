"""A converted model, run by TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepbird_v2.export import RAGGED, RecordModel, load_keras
from deepbird_v2.folder import FolderError, altered, read_manifest
from migrate import inputs
from migrate.export import CONVERSION
from migrate.feed import feed, to_numpy
from migrate.taps import Seam, Spot, resolve

__all__ = ["TensorFlowEngine"]

Array = np.ndarray[Any, Any]


class TensorFlowEngine:
    """A model folder that `deepbird convert` wrote.

    Args:
        folder: the model folder.

    Attributes:
        model: the Keras model.
        features: what it reads from DataRecords; None for a model of tensors.
        outputs: names of the outputs.
        altered: files that are not what was saved: whoever verifies wants to know, not to stop.
        conversion: ``conversion.json``; empty for a model that was not converted.

    Raises:
        FolderError: the folder holds no model.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        manifest = read_manifest(self.folder, check=False)
        self.name, self.outputs = manifest.name, manifest.outputs
        self.altered = altered(self.folder, manifest)
        records = manifest.kind == "records"
        self._records = RecordModel.load(self.folder, check=False) if records else None
        self.features = self._records.features if self._records else None
        self.model = (
            self._records.model if self._records else load_keras(self.folder / "model.keras")
        )
        path = self.folder / CONVERSION
        self.conversion: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}

    def predict(self, batch: Any) -> dict[str, Array]:
        """Scores of decoded records: output name → [B]."""
        if self._records is None:
            raise FolderError(f"{self.folder}: the model takes tensors, not DataRecords")
        return self._records.predict(batch)

    def forward(self, value: Any) -> Any:
        """Torch's forward on Torch's inputs: arrays, or nested lists of them."""
        if "inputs" not in self.conversion:
            raise FolderError(f"{self.folder}: no {CONVERSION} says how Torch's inputs go in")
        fed = feed(inputs.from_json(self.conversion["inputs"]), value)
        return to_numpy(self.model(fed, training=False))

    @property
    def seams(self) -> dict[str, Seam]:
        """Path of a Torch module → where it is in the model."""
        return {
            path: Seam.from_json(data) for path, data in self.conversion.get("seams", {}).items()
        }

    def run(self, takes: Any, gives: Any, value: Any) -> Any:
        """What one part of the model makes of a value in Torch's form.

        Args:
            takes: spot of the part's input.
            gives: spot of its output.
            value: arrays, lists, sparse rows or decoded records, in Torch's layout.

        Returns:
            The output in Torch's layout; sparse tensors as (row, key, value) columns.
        """
        entry = resolve(self.model, takes)
        part = keras.Model(entry, resolve(self.model, gives))
        return _torch_form(gives, part(_keras_form(takes, entry, value), training=False))

    def parameters(self) -> dict[str, Array]:
        """Torch path of every tensor → the variable's values as they are in the model."""
        variables = {v.path: v for v in self.model.variables}
        return {
            t["torch"]: np.asarray(variables[t["variable"]])
            for t in self.conversion.get("tensors", ())
            if t["variable"] in variables
        }


def _keras_form(spot: Any, tensor: Any, value: Any) -> Any:
    if isinstance(spot, list):
        return [_keras_form(s, t, v) for s, t, v in zip(spot, tensor, value, strict=False)]
    if isinstance(spot, dict):  # decoded records
        return {
            name: tf.RaggedTensor.from_row_splits(
                tf.constant(getattr(value, name), RAGGED[name]), value.row_splits, validate=False
            )
            for name in spot
        }
    if getattr(tensor, "sparse", False):
        indices = np.stack([value.row, value.key], axis=1)
        shape = (len(value), tensor.shape[1])
        return tf.SparseTensor(indices, value.value.astype(tensor.dtype), shape)
    return tf.constant(np.ascontiguousarray(spot.from_torch(value), dtype=tensor.dtype))


def _torch_form(spot: Any, value: Any) -> Any:
    if isinstance(spot, list):
        return [_torch_form(s, v) for s, v in zip(spot, value, strict=True)]
    if isinstance(value, tf.SparseTensor):
        columns = (value.indices[:, 0], value.indices[:, 1], value.values)
        return [np.asarray(column) for column in columns]
    assert isinstance(spot, Spot)  # noqa: S101 - a list was dealt with above
    return spot.to_torch(np.asarray(value))
