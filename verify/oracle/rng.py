"""Torch's random stream: MT19937 and what Torch makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Generator"]


class Generator:
    """``torch.Generator``: one stream, drawn in order by every random module of a model.

    Args:
        seed: as given to ``torch.manualSeed``.
    """

    def __init__(self, seed: int = 0) -> None:
        self._bits = np.random.MT19937()
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> None:
        """Start the stream anew, as ``torch.manualSeed``."""
        self._bits._legacy_seeding(seed & 0xFFFFFFFF)  # init_genrand of MT19937

    def raw(self, n: int) -> np.ndarray[Any, Any]:
        """The next ``n`` 32-bit draws, as uint64[n]."""
        return self._bits.random_raw(n)

    def uniform(self, n: int) -> np.ndarray[Any, Any]:
        """float64[n] in [0, 1): one draw each."""
        return self.raw(n) * (1.0 / 4294967296.0)

    def bernoulli(self, p: float, n: int) -> np.ndarray[Any, Any]:
        """float64[n] of 0 and 1: 1 where u <= p."""
        return (self.uniform(n) <= p).astype(np.float64)
