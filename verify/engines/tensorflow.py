"""A converted model, run by TensorFlow."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from deepbird_v2.export import RecordModel, load_keras
from deepbird_v2.folder import FolderError, altered, read_manifest
from migrate import inputs
from migrate.export import CONVERSION
from migrate.feed import feed, to_numpy
from migrate.taps import Seam
from verify.engines.parts import Parts

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

    torch_layout = False

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

    @cached_property
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
        return self._parts.run(takes, gives, value)

    def run_all(self, takes: Any, gives: Any, value: Any) -> dict[str, Any]:
        """As :meth:`run` for several outputs, name → spots, of one run."""
        return self._parts.run_all(takes, gives, value)

    def train_step(self, takes: Any, gives: Any, value: Any) -> tuple[Any, dict[str, Array]]:
        """The output in training mode and the tensors as that forward leaves them."""
        before = [np.asarray(variable) for variable in self.model.variables]
        try:
            return self._parts.run(takes, gives, value, training=True), self.parameters()
        finally:
            for variable, values in zip(self.model.variables, before, strict=True):
                variable.assign(values)

    @cached_property
    def _parts(self) -> Parts:
        plan = self.conversion.get("inputs")
        root = self.seams[""].takes if "" in self.seams else []
        return Parts(self.model, inputs.from_json(plan) if plan else None, root)

    def parameters(self) -> dict[str, Array]:
        """Torch path of every tensor → the variable's values as they are in the model."""
        variables = {v.path: v for v in self.model.variables}
        return {
            t["torch"]: np.asarray(variables[t["variable"]])
            for t in self.conversion.get("tensors", ())
            if t["variable"] in variables
        }
