"""Borders around images and volumes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from deepbird_v2.layers.geometry import border
from migrate.batching import batchwise, static_sizes
from migrate.context import Context
from migrate.graph import Module
from migrate.registry import converts

# (before, after) of each axis, outermost first.
SPATIAL = (("pad_t", "pad_b"), ("pad_l", "pad_r"))
VOLUMETRIC = (("pfront", "pback"), ("ptop", "pbottom"), ("pleft", "pright"))


def _amounts(m: Module, fields: tuple[tuple[str, str], ...]) -> tuple[list[int], list[int]]:
    return [m.integer(b) for b, _ in fields], [m.integer(a) for _, a in fields]


@converts("nn.SpatialZeroPadding", layout="channels_last", spatial_rank=2)
def zero_padding(_: Context, m: Module, x: Any) -> Any:
    """Zeros; negative amounts crop."""
    before, after = _amounts(m, SPATIAL)
    return batchwise(m, x, 2, lambda batch: border(batch, before, after))


@converts("nn.SpatialReflectionPadding", layout="channels_last", spatial_rank=2)
def reflection_padding(_: Context, m: Module, x: Any) -> Any:
    """The image mirrored at its outermost pixels."""
    before, after = _amounts(m, SPATIAL)
    return batchwise(m, x, 2, lambda batch: border(batch, before, after, mode="reflect"))


@converts("nn.SpatialReplicationPadding", layout="channels_last", spatial_rank=2)
def spatial_replication(_: Context, m: Module, x: Any) -> Any:
    """The outermost pixels repeated; negative amounts crop."""
    return batchwise(m, x, 2, lambda batch: _replicate(m, batch, SPATIAL))


@converts("nn.VolumetricReplicationPadding", layout="channels_last", spatial_rank=3)
def volumetric_replication(_: Context, m: Module, x: Any) -> Any:
    """As for images."""
    return batchwise(m, x, 3, lambda batch: _replicate(m, batch, VOLUMETRIC))


def _replicate(m: Module, x: Any, fields: tuple[tuple[str, str], ...]) -> Any:
    sizes = static_sizes(m, x.shape[1:-1])
    for axis, (n, before, after) in enumerate(zip(sizes, *_amounts(m, fields), strict=True), 1):
        if before or after:
            x = keras.ops.take(x, np.clip(np.arange(-before, n + after), 0, n - 1), axis)
    return x
