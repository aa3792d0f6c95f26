"""Sizes and borders of images, channels last, shared by the layers that walk over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

__all__ = ["adaptive_edges", "border", "every", "spatial_shape", "spread", "window_counts"]


def spatial_shape(layer: Any, shape: Sequence[int | None]) -> tuple[int, ...]:
    """The sizes between batch and channels.

    Raises:
        ValueError: one of them is not known.
    """
    sizes = tuple(shape[1:-1])
    known = tuple(n for n in sizes if n is not None)
    if len(known) < len(sizes):
        raise ValueError(f"{layer.name}: needs to know the size of its images, got {tuple(shape)}")
    return known


def window_counts(
    size: Sequence[int],
    pool: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil: bool,
) -> tuple[int, ...]:
    """Number of windows along each axis.

    Args:
        size: of the image.
        pool: elements of a window.
        strides: distance of windows.
        padding: on either side.
        dilation: distance of a window's elements.
        ceil: whether a last window may reach beyond the padding; if there is padding, it must still
            start inside the image or the padding before it.

    Raises:
        ValueError: not even one window fits.
    """
    counts = []
    for n, k, s, p, d in zip(size, pool, strides, padding, dilation, strict=True):
        room = n + 2 * p - (d * (k - 1) + 1)
        count = (-(-room // s) if ceil else room // s) + 1
        if any(padding) and (count - 1) * s >= n + p:
            count -= 1
        counts.append(count)
    if min(counts) < 1:
        raise ValueError(f"windows of {tuple(pool)} do not fit into an image of {tuple(size)}")
    return tuple(counts)


def adaptive_edges(size: int, count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Starts and ends of ``count`` windows that share ``size`` evenly and may overlap by one.

    The bounds are computed in float32, whose rounding decides where an edge falls on an integer.
    """
    edges = np.arange(count + 1, dtype=np.float32) / np.float32(count) * np.float32(size)
    return np.floor(edges[:-1]).astype(int), np.ceil(edges[1:]).astype(int)


def border(
    x: Any, before: Sequence[int], after: Sequence[int], mode: str = "constant", value: float = 0.0
) -> Any:
    """Pad the spatial axes of ``x`` [N, *S, C]; negative amounts crop.

    Args:
        x: images.
        before: amounts at the start of each spatial axis.
        after: amounts at the end.
        mode: ``constant`` or ``reflect``.
        value: what ``constant`` fills in.
    """
    pairs = [(0, 0), *zip(before, after, strict=True), (0, 0)]
    if any(b < 0 or a < 0 for b, a in pairs):
        x = x[tuple(slice(max(0, -b), -max(0, -a) or None) for b, a in pairs)]
    grow = [(max(0, b), max(0, a)) for b, a in pairs]
    if not any(b or a for b, a in grow):
        return x
    filled = {"constant_values": value} if mode == "constant" else {}
    return keras.ops.pad(x, grow, mode=mode, **filled)


def every(x: Any, strides: Sequence[int]) -> Any:
    """The pixels of ``x`` [N, *S, C] that ``strides`` meet, from the first on."""
    if set(strides) == {1}:
        return x
    return x[(slice(None), *(slice(None, None, s) for s in strides))]


def spread(x: Any, strides: Sequence[int], size: Sequence[int]) -> Any:
    """The inverse of :func:`every`: an image of ``size`` with zeros where ``strides`` do not meet.

    TensorFlow 2.21's oneDNN gradients of 1×1 kernels with strides write beyond their buffers; 1×1
    kernels go without strides, on what :func:`every` picks or into what this makes.
    """
    for axis, (s, n) in enumerate(zip(strides, size, strict=True), 1):
        shape = keras.ops.shape(x)
        apart = keras.ops.expand_dims(x, axis + 1)
        pad = [(0, 0)] * len(apart.shape)
        pad[axis + 1] = (0, s - 1)
        joined = (*shape[:axis], shape[axis] * s, *shape[axis + 1 :])
        x = keras.ops.reshape(keras.ops.pad(apart, pad), joined)
        x = x[(*[slice(None)] * axis, slice(n))]
    return x
