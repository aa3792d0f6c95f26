"""A prediction service as v2: what is replayed is what is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from deepbird_v2.data import (
    Batch,
    FeatureConfig,
    RecordBuffer,
    decode_predictions,
    feature_id,
)
from verify.engines.service import ServiceEngine

__all__ = ["Endpoint"]


class Endpoint:
    """A Thrift prediction service, asked with the recorded bytes.

    Args:
        address: See `verify.engines.service.ServiceEngine`.
        outputs: What to compare; a service does not say what it gives.

    Raises:
        OSError: Nobody listens there.
        ValueError: No output is named.
    """

    def __init__(self, address: str, outputs: Sequence[str]) -> None:
        if not outputs:
            raise ValueError(f"{address}: name the outputs to compare (--column)")
        self.name, self.outputs = address, tuple(outputs)
        self.features = FeatureConfig(())
        self._engine: ServiceEngine | None = ServiceEngine(address)

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        """Refuse: a service takes records, see `predict_records`."""
        raise TypeError(f"{self.name} takes encoded records, not {batch!r}")

    def predict_records(self, records: RecordBuffer) -> Mapping[str, Any]:
        """Scores of encoded records: output → float64 [rows], NaN where the service gave none.

        Raises:
            ServiceError: The service refused.
            OSError: The service is gone; the next call tries a new connection.
            ValueError: It gave more or fewer answers than there were records.
        """
        if self._engine is None:
            self._engine = ServiceEngine(self.name)
        try:
            answers: Any = self._engine.answer(list(records))
        except Exception:
            self.close()
            raise
        if len(answers) != len(records):
            raise ValueError(f"{len(answers)} answers to {len(records)} records")
        found = decode_predictions(answers)
        ids = {name: feature_id(name) for name in self.outputs}
        return {name: found[id_] for name, id_ in ids.items() if id_ in found}

    def close(self) -> None:
        """End the connection."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
