"""Borders around images and volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verify.oracle.base import Array, Op, OracleError, op
from verify.oracle.correlation import pad_or_crop

if TYPE_CHECKING:
    from migrate.graph import Module

# (before, after) of each axis, outermost first.
FIELDS = {
    "Spatial": (("pad_t", "pad_b"), ("pad_l", "pad_r")),
    "Volumetric": (("pfront", "pback"), ("ptop", "pbottom"), ("pleft", "pright")),
}


def _amounts(node: Module) -> tuple[tuple[int, ...], tuple[int, ...]]:
    pairs = next(f for prefix, f in FIELDS.items() if node.short_class.startswith(prefix))
    before, after = zip(*((node.integer(b), node.integer(a)) for b, a in pairs), strict=True)
    return before, after


@op("nn.SpatialZeroPadding")
class SpatialZeroPadding(Op):
    """Zeros; negative amounts crop."""

    def forward(self, x: Array) -> Array:
        before, after = _amounts(self.node)
        if any(n + b + a < 1 for n, b, a in zip(x.shape[-2:], before, after, strict=True)):
            raise OracleError(f"{self.node}: nothing is left of the input {x.shape}")
        return pad_or_crop(x, before, after)

    def backward(self, x: Array, gy: Array) -> Array:
        before, after = _amounts(self.node)
        back = pad_or_crop(gy, tuple(-n for n in before), tuple(-n for n in after))
        return back.reshape(x.shape)


class _Repeating(Op):
    """Base: every place of the output shows one place of the input."""

    @staticmethod
    def source(at: Array, size: int) -> Array:
        """The place along an axis that ``at`` (negative before, ``size`` and more after) shows."""
        raise NotImplementedError

    def _tables(self, x: Array) -> list[Array]:
        before, after = _amounts(self.node)
        return [
            self.source(np.arange(-b, n + a), n)
            for n, b, a in zip(x.shape[-len(before) :], before, after, strict=True)
        ]

    def forward(self, x: Array) -> Array:
        for axis, table in zip(range(-1, -x.ndim, -1), reversed(self._tables(x)), strict=False):
            x = np.take(x, table, axis)
        return x

    def backward(self, x: Array, gy: Array) -> Array:
        total = gy.astype(np.float64)
        for axis, table in zip(range(-1, -x.ndim, -1), reversed(self._tables(x)), strict=False):
            moved = np.moveaxis(total, axis, 0)
            sums = np.zeros((x.shape[axis], *moved.shape[1:]))
            np.add.at(sums, table, moved)
            total = np.moveaxis(sums, 0, axis)
        return total.astype(x.dtype)


@op("nn.SpatialReflectionPadding")
class SpatialReflectionPadding(_Repeating):
    """The image mirrored at its outermost pixels, which are not repeated."""

    @staticmethod
    def source(at: Array, size: int) -> Array:
        if at[0] <= -size or at[-1] >= 2 * size - 1:
            raise OracleError(f"the reflection needs more than the {size} pixels of an axis")
        return np.where(at < 0, -at, np.where(at >= size, 2 * (size - 1) - at, at))


@op("nn.SpatialReplicationPadding", "nn.VolumetricReplicationPadding")
class ReplicationPadding(_Repeating):
    """The outermost pixels repeated."""

    @staticmethod
    def source(at: Array, size: int) -> Array:
        return np.clip(at, 0, size - 1)
