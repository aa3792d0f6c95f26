"""The v1 model itself, run by the oracle: no TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from migrate.graph import Module
from migrate.records import attach_splits, find_features, output_names, prediction_names
from migrate.source import load_module
from verify.oracle import Oracle

__all__ = ["OracleEngine"]

Array = np.ndarray[Any, Any]


class OracleEngine:
    """Answers as the v1 model would.

    Args:
        module: root of the tree, splits attached.
        features: what it reads from DataRecords; None for a model of tensors.
        outputs: path of a module → name of its output.
        name: of the model.

    Attributes:
        outputs: names of the outputs.
    """

    def __init__(
        self, module: Module, features: Any, outputs: dict[str, str], name: str = "v1"
    ) -> None:
        self.module, self.features, self.name = module, features, name
        self._paths = outputs
        self.outputs = tuple(outputs.values())

    @classmethod
    def load(
        cls,
        source: str | Path,
        weights: str | Path | None = None,
        features: str | Path | None = None,
    ) -> OracleEngine:
        """A v1 source: ``.t7``, or YAML with weights.

        Raises:
            GraphError: it is no model, or what its splits take is unknown.
        """
        config = find_features(source, features)
        module = attach_splits(load_module(source, weights), config)
        name = Path(source).stem
        outputs = output_names(name, module, prediction_names(Path(source)))
        return cls(module, config, outputs, name)

    def predict(self, batch: Any) -> dict[str, Array]:
        """Scores of decoded records: output name → [B]."""
        outputs = self.intermediates(batch)
        return {
            name: np.asarray(outputs[path][1]).reshape(len(batch))
            for path, name in self._paths.items()
        }

    def forward(self, inputs: Any, dtype: Any = None) -> Any:
        """Torch's forward on Torch's inputs."""
        return Oracle(self.module, dtype=dtype).forward(inputs)

    def intermediates(self, inputs: Any, dtype: Any = None) -> dict[str, tuple[Any, Any]]:
        """(input, output) of every module by path, in the order of execution."""
        return Oracle(self.module, dtype=dtype).trace(inputs)
