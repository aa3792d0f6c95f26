"""Windows of pooling modules as tables of positions.

A table is int64 [windows, largest size]: the positions that each window sees, -1 where it sees none
(padding, or a window smaller than the largest). Positions count a row-major image without its
channels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verify.oracle.base import Array

__all__ = ["adaptive", "combine", "gather", "output_sizes", "scatter", "sliding", "spans"]

NOTHING = -1


def output_sizes(
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    pad: Sequence[int],
    dilation: Sequence[int],
    ceil: bool,
) -> tuple[int, ...]:
    """How many windows fit along each axis; with padding, none starts beyond the image."""
    counts = []
    for n, k, s, p, d in zip(size, kernel, stride, pad, dilation, strict=True):
        room = n + 2 * p - (d * (k - 1) + 1)
        count = (-(-room // s) if ceil else room // s) + 1
        if any(pad) and (count - 1) * s >= n + p:
            count -= 1
        counts.append(count)
    return tuple(counts)


def sliding(size: int, kernel: int, stride: int, pad: int, dilation: int, count: int) -> Array:
    """``count`` windows along an axis."""
    at = np.arange(count)[:, None] * stride - pad + np.arange(kernel) * dilation
    return np.where((at >= 0) & (at < size), at, NOTHING)


def spans(starts: Array, ends: Array) -> Array:
    """Windows along an axis from ``starts`` up to ``ends``."""
    at = starts[:, None] + np.arange(int((ends - starts).max()))
    return np.where(at < ends[:, None], at, NOTHING)


def adaptive(size: int, count: int) -> Array:
    """``count`` windows that share an axis evenly, computed in float32 as Torch does."""
    f = np.float32
    edges = np.arange(count + 1, dtype=f) / f(count) * f(size)
    return spans(np.floor(edges[:-1]).astype(np.int64), np.ceil(edges[1:]).astype(np.int64))


def combine(tables: Sequence[Array], size: Sequence[int]) -> Array:
    """Windows of an image from those along each of its axes, in raster order."""
    flat = tables[0]
    for table, n in zip(tables[1:], size[1:], strict=True):
        rows, columns = flat[:, None, :, None], table[None, :, None, :]
        both = np.where((rows < 0) | (columns < 0), NOTHING, rows * n + columns)
        flat = both.reshape(len(flat) * len(table), -1)
    return flat


def gather(x: Array, table: Array, fill: float) -> Array:
    """[N, C, *S] to [N, C, windows, largest size], ``fill`` where a window sees nothing."""
    flat = x.reshape(*x.shape[:2], -1)
    edge = np.full((*flat.shape[:2], 1), fill, x.dtype)
    return np.concatenate([flat, edge], axis=2)[:, :, table]


def scatter(values: Array, table: Array, size: Sequence[int]) -> Array:
    """The adjoint of :func:`gather`: what windows hold, added up in an image; float64."""
    places = math.prod(size)
    image = np.zeros((places + 1, *values.shape[:2]))
    np.add.at(image, table, np.moveaxis(values, (0, 1), (2, 3)))
    return np.moveaxis(image[:places], 0, 2).reshape(*values.shape[:2], *size)
