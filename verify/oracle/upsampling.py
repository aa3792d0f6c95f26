"""Larger images from small ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verify.oracle.base import Array, Op, op

if TYPE_CHECKING:
    from migrate.graph import Module


def _rank(node: Module, x: Array) -> int:
    """``nn.UpSampling`` takes 5-D volumes, too; Spatial modules images, with or without a batch."""
    return x.ndim - 2 if node.class_name == "nn.UpSampling" else 2


class _Axiswise(Op):
    """Base: a matrix [out, in] for every axis."""

    def matrices(self, size: tuple[int, ...]) -> list[Array]:
        """The matrices of an image of ``size``."""
        raise NotImplementedError

    def forward(self, x: Array) -> Array:
        return self._apply(x, self.matrices(self._size(x)))

    def backward(self, x: Array, gy: Array) -> Array:
        return self._apply(gy, [matrix.T for matrix in self.matrices(self._size(x))])

    def _size(self, x: Array) -> tuple[int, ...]:
        return tuple(x.shape[-_rank(self.node, x) :])

    @staticmethod
    def _apply(x: Array, matrices: list[Array]) -> Array:
        y = x.astype(np.float64)
        for axis, matrix in enumerate(reversed(matrices), 1):
            y = np.moveaxis(np.moveaxis(y, -axis, -1) @ matrix.T, -1, -axis)
        return y.astype(x.dtype)


def _nearest(size: int, factor: int) -> Array:
    return np.repeat(np.eye(size), factor, axis=0)


def _linear(size: int, out: int) -> Array:
    """Interpolation between corners that stay corners; positions in float32, as in Torch."""
    step = np.float32(size - 1) / np.float32(out - 1) if out > 1 else np.float32(0)
    at = step * np.arange(out, dtype=np.float32)
    low = at.astype(np.int64)
    high = np.minimum(low + 1, size - 1)
    share = (at - low.astype(np.float32)).astype(np.float64)
    matrix = np.zeros((out, size))
    rows = np.arange(out)
    np.add.at(matrix, (rows, low), 1 - share)
    np.add.at(matrix, (rows, high), share)
    return matrix


@op("nn.SpatialUpSamplingNearest", "nn.SpatialUpSamplingBilinear", "nn.UpSampling")
class UpSampling(_Axiswise):
    """Nearest: every pixel ``scale_factor`` times along each axis. Linear: see :func:`_linear`."""

    def setup(self) -> None:
        named = self.node.class_name == "nn.SpatialUpSamplingNearest"
        self.nearest = named or self.node.get("mode") == "nearest"

    def matrices(self, size: tuple[int, ...]) -> list[Array]:
        if self.nearest:
            return [_nearest(n, self.node.integer("scale_factor")) for n in size]
        if "scale_factor" in self.node:
            out = tuple(n * self.node.integer("scale_factor") for n in size)
        else:
            names = ("odepth", "oheight", "owidth")[-len(size) :]
            out = tuple(map(self.node.integer, names))
        return [_linear(n, m) for n, m in zip(size, out, strict=True)]


@op("nn.PixelShuffle")
class PixelShuffle(Op):
    """[N, C·r², H, W] to [N, C, r·H, r·W]: a pixel's r² planes become an r × r square."""

    def forward(self, x: Array) -> Array:
        r = self.node.integer("upscaleFactor")
        *lead, planes, height, width = x.shape
        split = x.reshape(-1, planes // r**2, r, r, height, width)
        return split.transpose(0, 1, 4, 2, 5, 3).reshape(
            *lead, planes // r**2, height * r, width * r
        )

    def backward(self, x: Array, gy: Array) -> Array:
        r = self.node.integer("upscaleFactor")
        *_, planes, height, width = x.shape
        split = gy.reshape(-1, planes // r**2, height, r, width, r)
        return split.transpose(0, 1, 3, 5, 2, 4).reshape(x.shape)
