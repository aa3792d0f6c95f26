"""How far the data has moved from what the bins were made for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deepbird_v2.discretizers.accumulate import Collection
from deepbird_v2.discretizers.calibrator import with_weights
from deepbird_v2.discretizers.state import Discretizer

__all__ = ["SMOOTHING", "Drift", "drift", "psi"]

Array = np.ndarray[Any, Any]

# Added to the weight of every bin, so that an empty one is neither skipped nor infinite.
SMOOTHING = 0.5


@dataclass(frozen=True)
class Drift:
    """One feature.

    Attributes:
        feature: its id.
        name: its name, if it has one.
        psi: population stability index of the new weights against those at calibration.
        fullest: the largest share of the weight that one bin holds now.
        weight: how much new weight that rests on.
    """

    feature: int
    name: str
    psi: float
    fullest: float
    weight: float


def psi(before: Array, now: Array, smoothing: float = SMOOTHING) -> float:
    """Population stability index of two rows of weights.

    Args:
        before: [bins].
        now: [bins].
        smoothing: added to every weight.
    """
    p = (before + smoothing) / (before.sum() + smoothing * len(before))
    q = (now + smoothing) / (now.sum() + smoothing * len(now))
    return float(((q - p) * np.log(q / p)).sum())


def drift(state: Discretizer, collection: Collection) -> list[Drift]:
    """Measure every feature that has new values and known weights, the worst first."""
    found = []
    sketches = collection.sketches
    for bins in state.active:
        if bins.feature not in sketches or not len(bins.weights):
            continue
        now = with_weights(state, bins, sketches[bins.feature]).weights
        total = float(now.sum())
        fullest = float(now.max()) / total if total else 0.0
        found.append(Drift(bins.feature, bins.name, psi(bins.weights, now), fullest, total))
    return sorted(found, key=lambda d: (-d.psi, d.feature))
