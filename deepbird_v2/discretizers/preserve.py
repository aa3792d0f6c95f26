"""Calibrating again without moving anything: what a trained model knows by id stays that id.

The contract, each clause tested under the name it has here:

G0  The result depends on the records as a multiset and on the options alone: the same bytes
    whatever the order, batches, shards or process.
G1  An id is a function of feature and bin. New features, values and arrivals never change it.
G2  With a prior state every edge, bin and id of every feature in it stays, bit for bit; new data
    cannot alter a known feature.
G3  New features get ids that were never used, in the order of feature ids. Retired features keep
    theirs. The output's width and the ids of other keys never move; ids run out with an error.
G4  With ``refine=True`` bins may split, and do nothing else: the left child keeps the id, the
    others get new ones and name the bin they were split from. A warm start gives every child its
    parent's row, so the model computes what it computed before.
G5  The rule, the side of intervals, NaN's bin and the type of comparison are in the state and are
    kept. -0 and +0 are one value, denormals are values like any other.
G6  A state names its parent's fingerprint. What contradicts the prior (bits, bins, method) is an
    error, never a silent fit. Calibrating again on the same data gives the same bytes.
G7  `deepbird_v2.discretizers.warm_start` turns old weights into new ones by what rows mean.
G8  No two bins share an id, and no bin shares one with other keys.

What cannot be promised: bins of equal weight after the data has drifted (`drift` tells how stale
they are), equal ids for other output bits, and that a key which becomes a feature stays where it
was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from deepbird_v2.discretizers.calibrator import DiscretizerCalibrator, with_weights
from deepbird_v2.discretizers.edges import METHODS, float32_edges
from deepbird_v2.discretizers.errors import StateError
from deepbird_v2.discretizers.ids import HASHED, Allocator
from deepbird_v2.discretizers.search import Search
from deepbird_v2.discretizers.sketch import Sketch
from deepbird_v2.discretizers.state import Bins, Discretizer

__all__ = ["PreserveBinsDiscretizerCalibrator"]

Array = np.ndarray[Any, Any]

# What the published library called MDL is fitted as percentiles.
_FITTED_BY = {"mdl-percentile": "percentile"}
# A bin is split once it holds this many times its fair share.
_CROWDED = 2.0


class PreserveBinsDiscretizerCalibrator(DiscretizerCalibrator):
    """Takes the place of `DiscretizerCalibrator` wherever a model is trained on.

    Args:
        n_bin: as of `DiscretizerCalibrator`, of new features.
        out_bits: the prior's.
        prior: the state to preserve; None for a first calibration.
        refine: split bins that now hold more than twice their share.
        options: the rest as of `DiscretizerCalibrator`; ``reserve``, where given, is the prior's.

    Raises:
        StateError: an option contradicts the prior.
    """

    def __init__(
        self,
        n_bin: int,
        out_bits: int,
        *,
        prior: Discretizer | None = None,
        refine: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(n_bin, out_bits, **options)
        self.prior, self.refine = prior, refine
        if prior is not None:
            self._check(prior, options.get("reserve"))

    def _check(self, prior: Discretizer, reserve: int | None) -> None:
        asked = {"n_bin": self.n_bin, "out_bits": self.out_bits, "method": self.method}
        has = {
            "n_bin": prior.n_bin,
            "out_bits": prior.output_bits,
            "method": _FITTED_BY.get(prior.method, prior.method),
        }
        if reserve is not None:
            asked["reserve"], has["reserve"] = reserve, prior.unknown.first
        for name, value in has.items():
            if value != asked[name] and not (name == "n_bin" and value == 0):
                raise StateError(
                    f"{name} is {asked[name]}, but the prior state's is {value}; its bins can only "
                    f"be preserved with {name}={value}"
                )
        if self.refine and prior.search is Search.BISECTION:
            raise StateError(
                "splitting a bin moves ties of the bisection search; "
                "refine the same function in the default rule: prior.normalized()"
            )

    def calibrate(self) -> Discretizer:
        """Keep the prior's bins, and add those of new features.

        Returns:
            The new state; the prior itself where nothing had to be added.

        Raises:
            CalibrationDataError: there is neither data nor a prior.
            StateError: there are more bins than ids.
        """
        if self.prior is None:
            return super().calibrate()
        sketches = self.collection.sketches
        kept, next_id = self.prior.features, self.prior.next_id
        if self.refine:
            kept, next_id = self._refined(self.prior, sketches)
        grown = self._grown(self.prior.replace(next_id=next_id), kept, sketches)
        changed = len(grown.features) > len(self.prior.features) or kept != self.prior.features
        self.state = grown.replace(**self.prior.descent) if changed else self.prior
        return self.state

    def _refined(
        self, prior: Discretizer, sketches: dict[int, Sketch]
    ) -> tuple[tuple[Bins, ...], int]:
        allocator = Allocator(prior, hashed=self.method in HASHED)
        refined = tuple(
            self._split(prior, bins, sketches[bins.feature], allocator)
            if bins.feature in sketches and not bins.retired
            else bins
            for bins in prior.features
        )
        same = all(a is b for a, b in zip(refined, prior.features, strict=True))
        return (prior.features if same else refined), allocator.next_id

    def _split(self, prior: Discretizer, bins: Bins, sketch: Sketch, allocator: Allocator) -> Bins:
        """The feature with its crowded bins split at the edges that the new data asks for."""
        asked = METHODS[self.method](sketch, self.n_bin)
        if prior.float32:
            asked = float32_edges(asked)
        held = with_weights(prior, bins, sketch).weights
        share = held / max(float(held.sum()), np.finfo(np.float64).tiny)
        alone = prior.replace(features=(bins,))
        inside = alone.table.bin_of(np.zeros(len(asked), np.int64), asked)
        new = asked[(share[inside] >= _CROWDED / self.n_bin) & ~np.isin(asked, bins.edges)]
        if not len(new):
            return bins
        edges = np.concatenate([bins.edges, new])
        order = np.argsort(edges, kind="stable")
        # The old bin of each new one; of the children of a bin the leftmost comes first.
        parent_bin = np.concatenate([[0], np.cumsum(order < len(bins.edges))])
        if prior.nan_bin:
            parent_bin = np.append(parent_bin, len(bins.ids) - 1)
        child = np.append(False, parent_bin[1:] == parent_bin[:-1])
        ids, parents = bins.ids[parent_bin], bins.parents[parent_bin]
        parents[child] = ids[child]
        n_new, first = int(child.sum()), len(bins.ids)
        ids[child] = allocator.take(bins.feature, range(first, first + n_new))
        split = replace(bins, edges=edges[order], ids=ids, parents=parents, weights=np.zeros(0))
        return with_weights(prior, split, sketch)
