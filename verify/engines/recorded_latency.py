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
        blocks: a part, each with one latency or more.
        turns: a block.

    Attributes:
        fingerprint: of the machine, empty where it is unknown.

    Raises:
        ValueError: it holds no latencies, or too few to be cut so.
    """

    def __init__(self, path: Path, restarts: int, blocks: int, turns: int = 1) -> None:
        self.fingerprint: dict[str, str] = {}
        if path.suffix == ".json":
            self._columns, self.fingerprint = read_samples(path)
        else:
            self._columns = _read_csv(path)
        self._parts, self._turns = restarts, blocks * turns
        least = min(map(len, self._columns.values()))
        if least < restarts * blocks:
            raise ValueError(
                f"{path}: {least} latencies; {restarts} restarts of {blocks} blocks take "
                f"{restarts * blocks} or more. Record more, or lower --most-restarts or --blocks"
            )

    def segment(self, restart: int, number: int) -> Segment:
        """Turn ``number`` of part ``restart``; may be empty."""
        place, parts = restart * self._turns + number, self._parts * self._turns
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
