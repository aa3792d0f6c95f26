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

        Raises:
            CalibrationDataError: lengths differ, or a weight is negative or no float32 number.
        """
        keys = np.asarray(keys, np.int64)
        with np.errstate(over="ignore"):
            vals = np.asarray(vals).astype(np.float32)
            weighed = np.ones(len(keys)) if weights is None else np.asarray(weights)
            weighed = weighed.astype(np.float32)
        for name, column in (("vals", vals), ("weights", weighed)):
            if column.shape != keys.shape:
                raise CalibrationDataError(f"{name} {column.shape} for keys {keys.shape}")
        if not (np.isfinite(weighed) & (weighed >= 0)).all():
            raise CalibrationDataError("weights must be float32 numbers from 0 on")
        order = np.argsort(keys, kind="stable")
        found, starts = np.unique(keys[order], return_index=True)
        for key, chosen in zip(found.tolist(), np.split(order, starts[1:]), strict=False):
            self._values.setdefault(key, []).append((vals[chosen], weighed[chosen]))

    def calibrate(self) -> Discretizer:
        """Fit the edges.

        Raises:
            CalibrationDataError: there is no data, or NaN among a feature's values.
            StateError: there are more bins than ids.
        """
        if not self._values and not self.allow_empty_calibration:
            raise CalibrationDataError("nothing to calibrate from: no value was accumulated")
        rows = [self._edges(feature, parts) for feature, parts in self._values.items()]
        edges = np.array(rows, np.float32).reshape(len(rows), self.n_bin + 1)
        return _KINDS[self.kind](np.array(list(self._values), np.int64), edges, self.out_bits)

    def _edges(self, feature: int, parts: list[tuple[Array, Array]]) -> Array:
        values, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
        if np.isnan(values).any():
            raise CalibrationDataError(
                f"feature {feature}: NaN among its values would become its last edge, which no "
                "search stands; leave NaN out"
            )
        try:
            return percentile_bin_vals(values, weights, self.n_bin)
        except CalibrationDataError as error:
            raise CalibrationDataError(f"feature {feature}: {error}") from None


def percentile_bin_vals(values: Array, weights: Array, n_bin: int) -> Array:
    """The published edges of one feature.

    Positions are found by the bisection search among float32 cumulated weights, from which the
    weight of the smallest value is missing.

    Args:
        values: float32[n].
        weights: float32[n].
        n_bin: bins.

    Returns:
        float32[n_bin + 1] ascending; equal ones are kept, and NaNs come last.

    Raises:
        CalibrationDataError: the weights add up to more than float32 holds.
    """
    order = np.argsort(values)
    values, weights = values[order], weights[order]
    n = len(values)
    if n < n_bin + 1:
        edges = np.full(n_bin + 1, np.inf, np.float32)
        edges[0] = -np.inf
        edges[1 : n + 1] = values
        return edges
    with np.errstate(over="ignore"):
        rank = np.cumsum(weights, dtype=np.float32)
    if not np.isfinite(rank[-1]):
        raise CalibrationDataError("its weights add up to more than float32 holds")
    rank -= rank[0]
    if rank[-1] > 0:
        rank /= rank[-1]
    wanted = np.linspace(0, 1, n_bin + 1, dtype=np.float32)
    # Positions pass through float32, too, which counts exactly up to 2**24.
    at = np.array([bisect(rank, q) for q in wanted], np.float32).astype(np.int64)
    at[0], at[-1] = 0, n - 1
    at = np.minimum(at, n - 1)
    return values[at]
