"""Latencies that somebody else recorded, played back in their order."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from verify.latency.budget import METRICS
from verify.latency.samples import Segment
from verify.latency.store import read_samples

__all__ = ["RecordedLatency"]

Array = np.ndarray[Any, Any]
_UNITS = {"_s": 1.0, "_ms": 1e-3, "_us": 1e-6}


class RecordedLatency:
    """A file of latencies.

    Args:
        path: ``latency.json`` of an earlier check, whose v2 is taken; or a csv with columns such as
            ``response_ms``, ``service_us``, ``cpu_s``.
        restarts: how many parts the file is cut into, each standing for a process.
        segments: stretches a part.

    Attributes:
        fingerprint: of the machine, empty where it is unknown.

    Raises:
        ValueError: it holds no latencies, or too few to be cut so.
    """

    def __init__(self, path: Path, restarts: int, segments: int) -> None:
        self.fingerprint: dict[str, str] = {}
        if path.suffix == ".json":
            self._columns, self.fingerprint = read_samples(path)
        else:
            self._columns = _read_csv(path)
        self._parts, self._segments = restarts, segments
        least = min(map(len, self._columns.values()))
        if least < restarts * segments:
            raise ValueError(f"{path}: {least} latencies; {restarts * segments} or more are needed")

    def segment(self, restart: int, number: int) -> Segment:
        """Stretch ``number`` of part ``restart``; after the last the first comes again."""
        place = restart % self._parts * self._segments + number % self._segments
        parts = self._parts * self._segments
        return {
            metric: seconds[place * len(seconds) // parts : (place + 1) * len(seconds) // parts]
            for metric, seconds in self._columns.items()
        }


def _read_csv(path: Path) -> dict[str, Array]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, Array] = {}
    for column in rows[0] if rows else ():
        metric, _, unit = column.partition("_")
        if metric not in METRICS or f"_{unit}" not in _UNITS:
            continue
        try:
            values = np.array([float(row[column]) for row in rows])
        except (TypeError, ValueError):
            raise ValueError(
                f"{path}: column {column} holds something other than numbers"
            ) from None
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"{path}: column {column} holds latencies that are not above 0")
        found[metric] = values * _UNITS[f"_{unit}"]
    if not found:
        raise ValueError(f"{path}: no column such as response_ms, service_us or cpu_s")
    return found
