"""Calibration: values in, a discretizer out that depends on nothing but those values.

>>> calibrator = DiscretizerCalibrator(n_bin=20, out_bits=22)  # doctest: +SKIP
>>> calibrator.accumulate(keys, values)                        # doctest: +SKIP
>>> state = calibrator.calibrate()                             # doctest: +SKIP

The defaults of every new discretizer: bins are ``[a,b)`` over float64, NaN has a bin of its own,
the ids of bins lie in [0, reserve) and other keys in [reserve, 2**out_bits), where adding features
later moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from deepbird_v2.data.batch import Batch
from deepbird_v2.data.features import FeatureKind
from deepbird_v2.discretizers.accumulate import CAPACITY, Collection
from deepbird_v2.discretizers.edges import METHODS, bin_weights, float32_edges
from deepbird_v2.discretizers.errors import CalibrationDataError, StateError
from deepbird_v2.discretizers.file import save
from deepbird_v2.discretizers.ids import HASHED, Allocator
from deepbird_v2.discretizers.order import from_key
from deepbird_v2.discretizers.search import Search
from deepbird_v2.discretizers.sketch import Sketch
from deepbird_v2.discretizers.state import MAX_BITS, Bins, Discretizer, Unknown, UnknownRule

__all__ = ["DiscretizerCalibrator"]

Array = np.ndarray[Any, Any]
_FEWEST_BINS: Final = 2


class DiscretizerCalibrator:
    """Collects values; `calibrate` makes a new discretizer of them.

    Ids are given in the order of feature ids, so they depend on which features there are. Where a
    model outlives a calibration, use `PreserveBinsDiscretizerCalibrator`.

    Args:
        n_bin: bins a feature, NaN's not counted; equal edges make fewer.
        out_bits: ids lie in [0, 2**out_bits).
        method: ``percentile``, ``mdl`` (Fayyad and Irani's; needs labels), or ``hashing`` or
            ``hashed-percentile`` (percentile bins under ids hashed from feature and bin, with
            collisions resolved).
        reserve: number of ids set aside for bins, now and later; default half of all.
        classes: number of label classes, for ``mdl``.
        names: feature id → name, to be kept in the state.
        capacity: see `Collection`.
        allow_empty_calibration: make a discretizer without features of no data.

    Raises:
        CalibrationDataError: an option makes no sense.
    """

    def __init__(
        self,
        n_bin: int,
        out_bits: int,
        *,
        method: str = "percentile",
        reserve: int | None = None,
        classes: int = 2,
        names: Mapping[int, str] | None = None,
        capacity: int = CAPACITY,
        allow_empty_calibration: bool = False,
    ) -> None:
        if method not in METHODS:
            raise CalibrationDataError(f"no method {method!r}; there are {', '.join(METHODS)}")
        if n_bin < _FEWEST_BINS or not 1 <= out_bits <= MAX_BITS:
            raise CalibrationDataError(f"n_bin starts at 2, out_bits lie in 1..{MAX_BITS}")
        self.n_bin, self.out_bits, self.method = n_bin, out_bits, method
        self.reserve = (1 << out_bits) // 2 if reserve is None else reserve
        if not 0 < self.reserve < 1 << out_bits:
            raise CalibrationDataError(f"reserve {self.reserve} is not in 1..{(1 << out_bits) - 1}")
        self.names = dict(names or {})
        self.allow_empty_calibration = allow_empty_calibration
        self.collection = Collection(capacity, classes if method == "mdl" else 1)
        self.state: Discretizer | None = None

    def accumulate(
        self,
        keys: Array,
        vals: Array,
        weights: Array | None = None,
        labels: Array | None = None,
    ) -> None:
        """Take note of values.

        Args:
            keys: int64[n] feature ids.
            vals: [n].
            weights: [n]; default 1.
            labels: int[n], for ``mdl``.
        """
        self.collection.add(keys, vals, weights, labels)

    def accumulate_batch(
        self, batch: Batch, kinds: Iterable[FeatureKind] = (FeatureKind.CONTINUOUS,)
    ) -> None:
        """Take note of the continuous features of decoded records.

        The first label column counts for ``mdl``; records without a label are left out there.

        Args:
            batch: decoded records.
            kinds: kinds of features that count; each key of a sparse continuous feature is a
                feature of its own.

        Raises:
            CalibrationDataError: labels are needed, and there are none or they are no classes.
        """
        chosen = np.isin(batch.kind, [int(kind) for kind in kinds])
        labels = None
        if self.collection.classes > 1:
            if not batch.labels.shape[1]:
                raise CalibrationDataError(
                    f"{self.method} needs labels, and the records' features name none"
                )
            labels = batch.labels[batch.row, 0]
            chosen &= ~np.isnan(labels)
            labels = labels[chosen]
        self.accumulate(batch.key[chosen], batch.value[chosen], labels=labels)

    def merge(self, other: DiscretizerCalibrator) -> None:
        """Take over what another worker has collected."""
        self.collection.merge(other.collection)

    def calibrate(self) -> Discretizer:
        """Make the discretizer.

        Raises:
            CalibrationDataError: there is no data.
            StateError: there are more bins than ids.
        """
        sketches = self._sketches()
        first = Discretizer(
            features=(),
            output_bits=self.out_bits,
            unknown=Unknown(UnknownRule.MODULO, self.reserve, 1 << self.out_bits),
            method=self.method,
            n_bin=self.n_bin,
        )
        self.state = self._grown(first, (), sketches)
        return self.state

    def _sketches(self) -> dict[int, Sketch]:
        sketches = self.collection.sketches
        if not sketches and not self.allow_empty_calibration:
            raise CalibrationDataError(
                "nothing to calibrate from: no value of any feature was accumulated"
            )
        return sketches

    def _grown(
        self, state: Discretizer, features: tuple[Bins, ...], sketches: Mapping[int, Sketch]
    ) -> Discretizer:
        """A state with these features and new ones for sketches of features it does not have."""
        state = state.replace(features=features)
        allocator = Allocator(state, hashed=self.method in HASHED)
        new = [
            self._bins(state, feature, sketch, allocator)
            for feature, sketch in sketches.items()
            if feature not in state.by_id
        ]
        return state.replace(features=(*features, *new), next_id=allocator.next_id)

    def _bins(self, state: Discretizer, feature: int, sketch: Sketch, allocator: Allocator) -> Bins:
        edges = METHODS[self.method](sketch, self.n_bin)
        if state.search is Search.BISECTION:
            # Its bins lie between edges: the outermost values are edges, too.
            ends = from_key(sketch.lows[[0, -1]]) if len(sketch.lows) else np.zeros(1)
            edges = np.unique(np.concatenate([edges, ends]))
        if state.float32:
            edges = float32_edges(edges)
        n = state.search.bins(len(edges)) + state.nan_bin
        bins = Bins(feature, edges, allocator.take(feature, range(n)), self.names.get(feature, ""))
        return with_weights(state, bins, sketch)

    def to_layer(self, **kwargs: Any) -> Any:
        """The Keras layer of what was calibrated."""
        from deepbird_v2.layers.discretizer import Discretizer as Layer

        return Layer.from_state(self._calibrated(), **kwargs)

    def save(self, path: str | Path) -> None:
        """Write the state file of what was calibrated."""
        save(self._calibrated(), path)

    def _calibrated(self) -> Discretizer:
        if self.state is None:
            raise StateError("not calibrated yet: call calibrate() first")
        return self.state


def with_weights(state: Discretizer, bins: Bins, sketch: Sketch) -> Bins:
    """The feature with the weight that each of its bins holds in a sketch."""
    alone = state.replace(features=(replace(bins, retired=False),))
    rows = np.zeros(len(sketch.lows), np.int64)
    found = alone.table.bin_of(rows, from_key(sketch.lows))
    n = len(bins.ids)
    nan = n - 1 if state.nan_bin else state.search.nan_bin(n)
    weights = bin_weights(sketch, found, nan, n)
    return replace(bins, weights=weights)
