"""Lua Torch's random stream: what dropout and shuffling draw, in its order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["TorchStream"]

Array = np.ndarray[Any, Any]


class TorchStream:
    """``torch.manualSeed(seed)``, and the draws after it.

    Args:
        seed: its low 32 bits count.
    """

    def __init__(self, seed: int) -> None:
        # Torch and NumPy's legacy generator seed the Mersenne twister the same way.
        _, key, position, *_ = np.random.RandomState(seed & 0xFFFFFFFF).get_state()
        self._bits = np.random.MT19937()
        self._bits.state = {
            "bit_generator": "MT19937",
            "state": {"key": np.asarray(key), "pos": int(position)},
        }
        self._sine: tuple[float, float] | None = None  # the waiting half of a normal pair

    def raw(self, count: int) -> Array:
        """The next 32-bit draws, uint64[count]."""
        return self._bits.random_raw(count)

    def uniform(self, shape: Sequence[int]) -> Array:
        """Uniform in [0, 1), float64."""
        return (self.raw(math.prod(shape)) * 2.0**-32).reshape(shape)

    def bernoulli(self, p: float, shape: Sequence[int]) -> Array:
        """Whether each draw succeeded, with probability ``p``; float64 zeros and ones."""
        return (self.uniform(shape) <= p).astype(np.float64)

    def normal(self, mean: float, stddev: float, shape: Sequence[int]) -> Array:
        """Normal values, float64; of each pair of draws the cosine comes first, then the sine."""
        values = np.empty(math.prod(shape))
        for i in range(values.size):
            if self._sine is None:
                angle, u = self.uniform((2,)).tolist()
                self._sine = (2.0 * math.pi * angle, math.sqrt(-2.0 * math.log(1.0 - u)))
                values[i] = self._sine[1] * math.cos(self._sine[0])
            else:
                values[i] = self._sine[1] * math.sin(self._sine[0])
                self._sine = None
        return (values * stddev + mean).reshape(shape)

    def permutation(self, count: int) -> Array:
        """The order of ``torch.randperm(count)``, from 0: int64[count]."""
        order = list(range(count))
        for i, draw in enumerate(self.raw(max(count - 1, 0)).tolist()):
            other = i + draw % (count - i)
            order[i], order[other] = order[other], order[i]
        return np.array(order, np.int64)
