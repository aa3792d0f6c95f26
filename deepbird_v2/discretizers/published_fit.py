"""Calibration as the published v2 library did it, to compare with; its results have no stability.

A feature's row is the order in which it was first seen, so every id depends on the order of the
records. `deepbird_v2.discretizers.preserve` says what is promised instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deepbird_v2.discretizers import published
from deepbird_v2.discretizers.errors import CalibrationDataError
from deepbird_v2.discretizers.search import bisect
from deepbird_v2.discretizers.state import Discretizer

__all__ = ["PublishedCalibrator", "percentile_bin_vals"]

Array = np.ndarray[Any, Any]

_KINDS: dict[str, Callable[[Array, Array, int], Discretizer]] = {
    "percentile": published.percentile,
    "mdl": published.mdl,
    "hashing": published.hashing,
    "hashed-percentile": published.hashed_percentile,
}


class PublishedCalibrator:
    """The published fit.

    Args:
        n_bin: bins a feature; there are n_bin + 1 edges.
        out_bits: ids lie in [0, 2**out_bits).
        kind: ``percentile``, ``mdl``, ``hashing`` or ``hashed-percentile``.
        allow_empty_calibration: make a discretizer without features of no data.

    Raises:
        CalibrationDataError: there is no such kind.
    """

    def __init__(
        self,
        n_bin: int,
        out_bits: int,
        kind: str = "percentile",
        allow_empty_calibration: bool = False,
    ) -> None:
        if kind not in _KINDS:
            raise CalibrationDataError(f"no kind {kind!r}; there are {', '.join(_KINDS)}")
        self.n_bin, self.out_bits, self.kind = n_bin, out_bits, kind
        self.allow_empty_calibration = allow_empty_calibration
        self._values: dict[int, list[tuple[Array, Array]]] = {}

    def accumulate(self, keys: Array, vals: Array, weights: Array | None = None) -> None:
        """Take note of values.

        Args:
            keys: int64[n] feature ids.
            vals: [n], taken as float32.
            weights: [n], taken as float32; default 1.
        """
        keys, vals = np.asarray(keys), np.asarray(vals, np.float32)
        weighed = np.ones(len(keys)) if weights is None else np.asarray(weights)
        weighed = weighed.astype(np.float32)
        for key in np.unique(keys):
            chosen = keys == key
            row = self._values.setdefault(int(key), [])
            row.append((vals[chosen], weighed[chosen]))

    def calibrate(self) -> Discretizer:
        """Fit the edges.

        Raises:
            CalibrationDataError: there is no data.
            StateError: there are more bins than ids.
        """
        if not self._values and not self.allow_empty_calibration:
            raise CalibrationDataError("nothing to calibrate from: no value was accumulated")
        rows = [
            percentile_bin_vals(
                np.concatenate([values for values, _ in parts]),
                np.concatenate([weights for _, weights in parts]),
                self.n_bin,
            )
            for parts in self._values.values()
        ]
        edges = np.array(rows, np.float32).reshape(len(rows), self.n_bin + 1)
        return _KINDS[self.kind](np.array(list(self._values), np.int64), edges, self.out_bits)


def percentile_bin_vals(values: Array, weights: Array, n_bin: int) -> Array:
    """The published edges of one feature.

    Positions are found by the bisection search among float32 cumulated weights, from which the
    weight of the smallest value is missing.

    Args:
        values: float32[n].
        weights: float32[n].
        n_bin: bins.

    Returns:
        float32[n_bin + 1] ascending; equal ones are kept.
    """
    order = np.argsort(values)
    values, weights = values[order], weights[order]
    n = len(values)
    if n < n_bin + 1:
        edges = np.full(n_bin + 1, np.inf, np.float32)
        edges[0] = -np.inf
        edges[1 : n + 1] = values
        return edges
    rank = np.cumsum(weights, dtype=np.float32)
    rank -= rank[0]
    if rank[-1] > 0:
        rank /= rank[-1]
    wanted = np.linspace(0, 1, n_bin + 1, dtype=np.float32)
    at = np.array([bisect(rank, q) for q in wanted])
    at[0], at[-1] = 0, n - 1
    return values[at]
