"""A model folder as it is served: bytes in, scores out, by the backend that serving chooses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepbird_v2.serving.predictor import BackendName, Predictor

__all__ = ["PredictorEngine"]


class PredictorEngine:
    """A loaded model folder.

    Args:
        folder: that ``deepbird convert`` wrote.
        backend: see `deepbird_v2.serving.predictor.Predictor`.
    """

    def __init__(self, folder: str | Path, backend: BackendName = "auto") -> None:
        self.predictor = Predictor.load(folder, backend, check=False)
        self.features, self.outputs = self.predictor.features, self.predictor.outputs

    @property
    def description(self) -> str:
        """The backend and why it was chosen."""
        return self.predictor.choice

    def predict(self, batch: Any) -> dict[str, np.ndarray[Any, Any]]:
        """Scores of decoded records: output name → [B]."""
        return self.predictor.predict(batch)

    def answer(self, records: Sequence[bytes]) -> object:
        """Scores of encoded records."""
        return self.predictor.predict_records(records)
