"""Cross-correlation over any number of dimensions, and its two gradients, in NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from verify.oracle.base import Array


__all__ = [
    "Geometry",
    "correlate",
    "input_gradient",
    "overlap_add",
    "pad_or_crop",
    "weight_gradient",
    "windows",
]


@dataclass(frozen=True)
class Geometry:
    """How a kernel walks over an image; one entry per spatial dimension.

    Attributes:
        kernel: sizes.
        stride: steps.
        pad: zeros on either side; negative crops.
        dilation: distance of neighbouring kernel elements.
        groups: the channels fall into this many independent groups.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1

    @property
    def extent(self) -> tuple[int, ...]:
        """Sizes of the dilated kernel."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def full_size(self, size: tuple[int, ...], adjust: tuple[int, ...]) -> tuple[int, ...]:
        """Output size of the transposed walk over ``size``, with ``adjust`` more at the end."""
        return tuple(
            (n - 1) * s - 2 * p + e + a
            for n, s, p, e, a in zip(size, self.stride, self.pad, self.extent, adjust, strict=True)
        )


def pad_or_crop(x: Array, before: tuple[int, ...], after: tuple[int, ...]) -> Array:
    """Zeros around the last dimensions of ``x``; negative amounts crop."""
    lead = x.ndim - len(before)
    crop = [slice(None)] * lead
    crop += [
        slice(max(0, -b), n - max(0, -a))
        for n, b, a in zip(x.shape[lead:], before, after, strict=True)
    ]
    grow = [(0, 0)] * lead
    grow += [(max(0, b), max(0, a)) for b, a in zip(before, after, strict=True)]
    return np.pad(x[tuple(crop)], grow)


def correlate(x: Array, weight: Array, g: Geometry) -> Array:
    """The correlation of ``x`` [N, C, *S] with ``weight`` [O, C/groups, *K]: [N, O, *S']."""
    columns, out = windows(x, g)
    filters = _grouped(weight, g.groups)
    y = columns @ filters.transpose(0, 2, 1)  # [G, N·S', O/G]
    y = y.reshape(g.groups, len(x), *out, -1)
    y = np.moveaxis(np.moveaxis(y, -1, 1), 2, 0)  # [N, G, O/G, *S']
    return y.reshape(len(x), len(weight), *out).astype(x.dtype)


def input_gradient(gy: Array, weight: Array, size: tuple[int, ...], g: Geometry) -> Array:
    """Gradient of the input of spatial ``size``; at the same time the transposed correlation."""
    columns = _positions(gy, g.groups).transpose(0, 2, 1) @ _grouped(weight, g.groups)
    return overlap_add(columns, gy.shape, size, g).astype(gy.dtype)


def weight_gradient(x: Array, gy: Array, g: Geometry) -> Array:
    """Gradient of the weight, [O, C/groups, *K]."""
    columns, _ = windows(x, g)
    grad = _positions(gy, g.groups) @ columns  # [G, O/G, C/G·K]
    return grad.reshape(gy.shape[1], -1, *g.kernel).astype(gy.dtype)


def windows(x: Array, g: Geometry) -> tuple[Array, tuple[int, ...]]:
    """Every window of ``x`` as a row, float64 [G, N·S', C/G·K], and the output size S'."""
    rank = len(g.kernel)
    padded = pad_or_crop(x, g.pad, g.pad)
    axes = tuple(range(2, 2 + rank))
    every = sliding_window_view(padded, g.extent, axis=axes)
    steps = (slice(None, None, s) for s in g.stride)
    holes = (slice(None, None, d) for d in g.dilation)
    windows = every[(slice(None), slice(None), *steps, *holes)]
    out = windows.shape[2 : 2 + rank]
    split = windows.reshape(len(x), g.groups, -1, *out, *g.kernel)
    order = (1, 0, *range(3, 3 + rank), 2, *range(3 + rank, 3 + 2 * rank))
    rows = split.transpose(order).astype(np.float64)
    return rows.reshape(g.groups, len(x) * math.prod(out), -1), out


def overlap_add(
    columns: Array, shape: tuple[int, ...], size: tuple[int, ...], g: Geometry
) -> Array:
    """The images [N, C, *size] whose windows add up as ``columns`` [G, N·S', C/G·K] say.

    Args:
        columns: one row a window, as :func:`windows` gives them.
        shape: of the output of the walk, [N, anything, *S'].
        size: of the images.
        g: the walk.
    """
    n, out, rank = shape[0], shape[2:], len(g.kernel)
    parts = columns.reshape(g.groups, n, *out, -1, *g.kernel)
    parts = np.moveaxis(parts, 2 + rank, 1)  # [G, C/G, N, *S', *K]
    padded = tuple(s + 2 * p for s, p in zip(size, g.pad, strict=True))
    image = np.zeros((*parts.shape[:2], n, *padded))
    for offset in np.ndindex(*g.kernel):
        window: tuple[Any, ...] = tuple(
            slice(o * d, o * d + s * (m - 1) + 1, s)
            for o, d, s, m in zip(offset, g.dilation, g.stride, out, strict=True)
        )
        image[..., *window] += parts[..., *offset]
    image = np.moveaxis(image.reshape(-1, n, *padded), 1, 0)
    back = tuple(-p for p in g.pad)
    return pad_or_crop(image, back, back)


def _grouped(weight: Array, groups: int) -> Array:
    return weight.reshape(groups, len(weight) // groups, -1).astype(np.float64)


def _positions(gy: Array, groups: int) -> Array:
    """[N, O, *S'] as float64 [G, O/G, N·S']."""
    split = gy.reshape(len(gy), groups, gy.shape[1] // groups, -1)
    return split.transpose(1, 2, 0, 3).reshape(groups, split.shape[2], -1).astype(np.float64)
