"""What functions of one element share.

THNN's C code evaluates `exp`, `log` and `tanh` in double even for floats; so do these.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, Op

__all__ = ["Elementwise"]


class Elementwise(Op):
    """y = f(x), dx = dy·f'(x); subclasses give :meth:`f` and :meth:`df`."""

    def f(self, x: Array) -> Any:
        """The function."""
        raise NotImplementedError

    def df(self, x: Array, y: Array) -> Any:
        """Its derivative, of the input and of the output as Torch rounded it."""
        raise NotImplementedError

    def forward(self, x: Array) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(self.f(x.astype(np.float64))).astype(x.dtype)

    def backward(self, x: Array, gy: Array) -> Any:
        y = self.forward(x)
        with np.errstate(all="ignore"):
            slope = self.df(x.astype(np.float64), y.astype(np.float64))
            return np.asarray(np.where(slope == 0, 0, gy * slope), dtype=x.dtype)
