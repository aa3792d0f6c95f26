"""A bare ``.keras`` file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from deepbird_v2.data.config import FeatureConfig
from deepbird_v2.export import RecordModel, load_keras

__all__ = ["KerasFileEngine"]


class KerasFileEngine:
    """A model without the folder around it.

    Args:
        path: of the ``.keras`` file.
        features: for a DataRecord model: which features it reads; ``features.json`` beside the
            file if there is one.
    """

    def __init__(self, path: Path, features: Path | None = None) -> None:
        self.model = load_keras(path)
        beside = features or path.with_name("features.json")
        self.features = FeatureConfig.load(beside) if beside.is_file() else None

    def predict(self, batch: Any) -> dict[str, np.ndarray[Any, Any]]:
        """Scores of decoded records."""
        if self.features is None:
            raise ValueError("the model has no list of features; give --features")
        return RecordModel(self.model, self.features).predict(batch)

    def forward(self, inputs: Any) -> Any:
        """The model on arrays, in the order of its inputs."""
        listed = inputs if isinstance(inputs, list) else [inputs]
        wanted = keras.tree.flatten(self.model.input)
        if len(listed) != len(wanted):
            raise ValueError(f"the model takes {len(wanted)} inputs, got {len(listed)}")
        fed = [keras.ops.convert_to_tensor(a, i.dtype) for a, i in zip(listed, wanted, strict=True)]
        outputs = self.model(keras.tree.pack_sequence_as(self.model.input, fed), training=False)
        return [np.asarray(y) for y in keras.tree.flatten(outputs)]
