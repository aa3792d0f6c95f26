"""The percentile discretizer: bins of equal weight, one row of edges a feature.

Values are searched as the published v2 runtime searches: below the first edge is bin 0, from the
last edge on is the last bin, and a value that lies exactly on an inner edge goes to the bin where
that runtime's bisection happens to stop. Which bin that is depends only on the edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from deepbird_v2.discretizers.errors import StateError
from deepbird_v2.discretizers.published import percentile
from deepbird_v2.discretizers.search import bisect, tie_bins
from deepbird_v2.discretizers.state import Discretizer

__all__ = ["PercentileDiscretizer", "StateError", "bisect", "tie_bins"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class PercentileDiscretizer:
    """Calibrated state, and what it does to keys and values.

    Attributes:
        feature_ids: int64[features], in the order of calibration.
        bin_vals: [features, n] edges, float64 or float32 as the source had them; values are
            compared in that type.
        bin_ids: int64[features, n] output id of each bin.
        output_bits: outputs lie in [0, 2**output_bits).

    Raises:
        StateError: shapes differ, edges are not ascending, or ids lie outside the output range.
    """

    feature_ids: Array
    bin_vals: Array
    bin_ids: Array
    output_bits: int

    def __post_init__(self) -> None:
        ids, vals, bins = self.feature_ids, self.bin_vals, self.bin_ids
        if ids.ndim != 1 or vals.ndim != 2 or vals.shape != bins.shape or len(vals) != len(ids):
            raise StateError(
                f"expected feature_ids [F], bin_vals [F, n] and bin_ids [F, n]; "
                f"got {ids.shape}, {vals.shape}, {bins.shape}"
            )
        if len(np.unique(ids)) != len(ids):
            raise StateError("a feature id occurs twice")
        bad = np.flatnonzero(~(vals[:, 1:] >= vals[:, :-1]).all(axis=1))
        if bad.size:
            raise StateError(f"feature {ids[bad[0]]}: its bin edges are not ascending numbers")
        if not 1 <= self.output_bits <= 62:
            raise StateError(f"output_bits {self.output_bits} is not in 1..62")
        if bins.size and (bins.min() < 0 or bins.max() >= 1 << self.output_bits):
            raise StateError(
                f"bin ids reach {bins.max()}, outside the {self.output_bits}-bit output range"
            )
        if (1 << self.output_bits) <= bins.size:
            raise StateError(f"{bins.size} bins leave no ids for other keys")

    @property
    def known(self) -> int:
        """Number of bins; keys that are no discretized feature map into [known, 2**bits)."""
        return int(self.bin_ids.size)

    @cached_property
    def order(self) -> Array:
        """Permutation that sorts ``feature_ids``."""
        return np.argsort(self.feature_ids, kind="stable")

    @cached_property
    def ties(self) -> Array:
        """int64[features, n]: see :func:`tie_bins`."""
        return tie_bins(self.bin_vals)

    @cached_property
    def discretizer(self) -> Discretizer:
        """The same state in the form that every kind of discretizer shares."""
        return percentile(self.feature_ids, self.bin_vals, self.output_bits, self.bin_ids)

    def bins(self, rows: Array, values: Array) -> Array:
        """Bin index of each value.

        Args:
            rows: int64[n] row of ``bin_vals``.
            values: [n].

        Returns:
            int64[n].
        """
        rank = np.argsort(self.order, kind="stable")
        return self.discretizer.table.bin_of(rank[rows], np.asarray(values, np.float64))

    def apply(self, keys: Array, values: Array) -> tuple[Array, Array]:
        """Discretize the known features; move every other key out of the bins' range.

        Args:
            keys: int64[n].
            values: [n].

        Returns:
            (int64[n] ids in [0, 2**output_bits), float32[n] values: 1 where discretized).
        """
        return self.discretizer.apply(keys, values)
