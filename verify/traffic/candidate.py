"""Asking v2: what it answers, and where it fails. An exception is data, never an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deepbird_v2.data import Batch, FeatureConfig, RecordBuffer, decode_batch

__all__ = ["Asked", "Candidate", "ask", "is_endpoint"]

_EMPTY_RECORD = b"\0"
# Failing requests a chunk that are looked for one by one; beyond, whole ranges are given up.
_MOST_FAILURES = 16


class Candidate(Protocol):
    """A model that answers DataRecords.

    One with a method `predict_records` is given the encoded records instead.
    """

    @property
    def features(self) -> FeatureConfig:
        """What it reads from a record."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of its outputs."""

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        """Scores of decoded records: output → [rows]."""


@dataclass(frozen=True)
class Asked:
    """What v2 made of a chunk of requests.

    Attributes:
        records: The requests; those that v2 cannot read are empty.
        labels: float64 [rows], or None if the model names no single label.
        columns: Output → float64 [rows], NaN where v2 failed.
        failures: Row of the chunk → what went wrong.
    """

    records: RecordBuffer
    labels: NDArray[np.float64] | None
    columns: dict[str, NDArray[np.float64]]
    failures: dict[int, str] = field(default_factory=dict)


def is_endpoint(v2: str) -> bool:
    """Say whether a name is that of a prediction service: ``thrift://host:port``."""
    return v2.startswith(("thrift://", "thrift+buffered://"))


def ask(candidate: Candidate, records: RecordBuffer) -> Asked:
    """Ask v2 for a chunk of requests.

    Args:
        candidate: v2.
        records: Encoded DataRecords.
    """
    batch = decode_batch(records, candidate.features, on_error="skip")
    failures = {int(e.record or 0): f"cannot be read: {e}" for e in batch.errors}
    if failures:
        kept = [_EMPTY_RECORD if i in failures else r for i, r in enumerate(records)]
        records = RecordBuffer.join(kept)
        batch = decode_batch(records, candidate.features)
    columns = {name: np.full(len(batch), np.nan) for name in candidate.outputs}
    by_records = getattr(candidate, "predict_records", None)

    def answer(rows: slice) -> Mapping[str, Any]:
        return by_records(records[rows]) if by_records else candidate.predict(batch[rows])

    _fill(columns, answer, slice(0, len(batch)), failures)
    for values in columns.values():
        values[list(failures)] = np.nan
    labels = batch.labels[:, 0].astype(np.float64) if batch.labels.shape[1] == 1 else None
    return Asked(records, labels, columns, failures)


def _fill(
    columns: dict[str, NDArray[np.float64]],
    answer: Callable[[slice], Mapping[str, Any]],
    rows: slice,
    failures: dict[int, str],
) -> None:
    """Fill in the answers; a range that fails is halved until the failing requests are found."""
    size = rows.stop - rows.start
    if not size:
        return
    try:
        for name, values in answer(rows).items():
            if name in columns:
                columns[name][rows] = np.asarray(values, np.float64).reshape(size)
    except Exception as error:  # noqa: BLE001 - whatever v2 raises is what the report tells
        if size == 1 or len(failures) >= _MOST_FAILURES:
            text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            failures.update(dict.fromkeys(range(rows.start, rows.stop), text))
            return
        middle = rows.start + size // 2
        _fill(columns, answer, slice(rows.start, middle), failures)
        _fill(columns, answer, slice(middle, rows.stop), failures)
