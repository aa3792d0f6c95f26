"""Larger images from small ones."""

from __future__ import annotations

from typing import Any

import keras

from deepbird_v2.layers.resampling import LinearResampling
from migrate.batching import batchwise, static_sizes
from migrate.context import Context
from migrate.graph import Module
from migrate.registry import converts


def _nearest(m: Module, x: Any, rank: int) -> Any:
    def apply(batch: Any) -> Any:
        for axis in range(1, rank + 1):
            batch = keras.ops.repeat(batch, m.integer("scale_factor"), axis)
        return batch

    return batchwise(m, x, rank, apply)


def _linear(ctx: Context, m: Module, x: Any, rank: int) -> Any:
    sizes = static_sizes(m, x.shape[-rank - 1 : -1])
    if "scale_factor" in m:
        out = [n * m.integer("scale_factor") for n in sizes]
    else:
        out = [m.integer(name) for name in ("odepth", "oheight", "owidth")[-rank:]]
    return batchwise(m, x, rank, ctx.layer(m, LinearResampling, out))


@converts("nn.SpatialUpSamplingNearest", layout="channels_last", spatial_rank=2)
def nearest(_: Context, m: Module, x: Any) -> Any:
    """Every pixel ``scale_factor`` times along each axis."""
    return _nearest(m, x, 2)


@converts("nn.SpatialUpSamplingBilinear", layout="channels_last", spatial_rank=2)
def bilinear(ctx: Context, m: Module, x: Any) -> Any:
    """Interpolation between corners that stay corners."""
    return _linear(ctx, m, x, 2)


@converts("nn.UpSampling", layout="aware")
def up_sampling(ctx: Context, m: Module, x: Any) -> Any:
    """Either of the two, for batches of images or volumes."""
    rank = len(x.shape) - 2
    x = ctx.channels_last(x, rank)
    y = _nearest(m, x, rank) if m.get("mode") == "nearest" else _linear(ctx, m, x, rank)
    ctx.mark(y, ctx.axes(x))
    return y


@converts("nn.PixelShuffle", layout="channels_last", spatial_rank=2)
def pixel_shuffle(_: Context, m: Module, x: Any) -> Any:
    """A pixel's r² planes, Torch's channels being (C, r, r), become an r × r square."""
    r = m.integer("upscaleFactor")

    def apply(batch: Any) -> Any:
        height, width, planes = static_sizes(m, batch.shape[1:])
        split = keras.ops.reshape(batch, (-1, height, width, planes // r**2, r, r))
        moved = keras.ops.transpose(split, (0, 1, 4, 2, 5, 3))
        return keras.ops.reshape(moved, (-1, height * r, width * r, planes // r**2))

    return batchwise(m, x, 2, apply)
