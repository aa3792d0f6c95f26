"""Giving ids to bins: in order or hashed, never one that something else has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from deepbird_v2.discretizers.errors import StateError
from deepbird_v2.discretizers.published import multiplicative_hash
from deepbird_v2.discretizers.state import Discretizer

__all__ = ["HASHED", "Allocator"]

HASHED: Final = frozenset(("hashing", "hashed-percentile"))


class Allocator:
    """Free ids of a state: those that no bin, live or retired, and no other key may have.

    Args:
        state: whose ids are taken.
        hashed: an id is looked for from a hash of feature and bin on, and else in order. Either
            way it depends on what came before, so ask in the order of feature ids.
    """

    def __init__(self, state: Discretizer, hashed: bool) -> None:
        self.state, self.hashed, self.next_id = state, hashed, state.next_id
        self._region = self._largest_region()
        self._taken: set[int] = set()
        if hashed:
            every = (i for bins in state.features for i in bins.ids.tolist())
            self._taken = {i for i in every if i in self._region}

    def take(self, feature: int, bins: Iterable[int]) -> np.ndarray[Any, Any]:
        """An id for each bin of a feature.

        Raises:
            StateError: there is none left.
        """
        one = self._hashed if self.hashed else self._in_order
        return np.array([one(feature, index) for index in bins], np.int64)

    def _in_order(self, feature: int, _: int) -> int:
        unknown = self.state.unknown
        if unknown.first <= self.next_id < unknown.stop:
            self.next_id = unknown.stop
        if self.next_id >= self.state.width:
            raise self._full(feature)
        self.next_id += 1
        return self.next_id - 1

    def _hashed(self, feature: int, index: int) -> int:
        room = len(self._region)
        if len(self._taken) >= room:
            raise self._full(feature)
        mixed = int(multiplicative_hash(np.array([feature]), np.array([index]), 62)[0])
        offset = mixed % room
        while self._region[offset] in self._taken:
            offset = (offset + 1) % room
        found = self._region[offset]
        self._taken.add(found)
        self.next_id = max(self.next_id, found + 1)
        return found

    def _largest_region(self) -> range:
        """Where hashed ids go: below other keys, or above them once the state was widened."""
        unknown = self.state.unknown
        below, above = range(unknown.first), range(unknown.stop, self.state.width)
        return above if len(above) > len(below) else below

    def _full(self, feature: int) -> StateError:
        bits = self.state.output_bits
        return StateError(
            f"feature {feature}: no ids are left for its bins, {bits} output bits are used up; "
            f"calibrate with a larger reserve, or widen the state: state.widened({bits + 1})"
        )
