"""Pooling of images, volumes, sequences and features, and its inverse."""

from __future__ import annotations

import math
from typing import Any

import keras

from deepbird_v2.layers.average_pooling import (
    AdaptiveAveragePooling,
    AveragePooling,
    SubSampling,
)
from deepbird_v2.layers.fractional_max_pooling import FractionalMaxPooling
from deepbird_v2.layers.k_max_pooling import KMaxPooling
from deepbird_v2.layers.lp_pooling import FeatureLPPooling
from deepbird_v2.layers.max_pooling import (
    AdaptiveMaxPooling,
    MaxPooling,
    MaxPoolingIndices,
    MaxUnpooling,
)
from migrate.batching import batchwise, static_sizes
from migrate.context import Context, ConversionError
from migrate.graph import Module, module_path
from migrate.registry import converts

AXES = {"Spatial": "HW", "Volumetric": "THW", "Temporal": "W"}
# Packages whose pooling differs from nn's where the file does not say.
ALWAYS_CEIL = ("inn.",)
ALWAYS_DIVIDE = ("cudnn.", "inn.")


def _axes(m: Module) -> str:
    return next(axes for prefix, axes in AXES.items() if m.short_class.startswith(prefix))


def _sizes(m: Module, stem: str, default: int | None = None) -> tuple[int, ...]:
    return tuple(m.integer(f"{stem}{axis}", default) for axis in _axes(m))


def _ceil(m: Module) -> bool:
    return m.flag("ceil_mode", m.source_class.startswith(ALWAYS_CEIL))


def _windows(m: Module) -> dict[str, Any]:
    """Arguments of a max pooling layer; old files lack padding and ``ceil_mode``."""
    return {
        "pool_size": _sizes(m, "k"),
        "strides": _sizes(m, "d", 1),
        "padding": _sizes(m, "pad", 0),
        "dilation": _sizes(m, "dilation", 1),
        "ceil": _ceil(m),
    }


def _max_pooling(ctx: Context, m: Module, x: Any) -> Any:
    layer = ctx.layer(m, MaxPooling, **_windows(m))
    return batchwise(m, x, len(_axes(m)), layer)


@converts(
    "nn.SpatialMaxPooling", "nn.SpatialDilatedMaxPooling", layout="channels_last", spatial_rank=2
)
def spatial_max(ctx: Context, m: Module, x: Any) -> Any:
    """The largest of each window; of equal ones the first gets the gradient."""
    return _max_pooling(ctx, m, x)


@converts(
    "nn.VolumetricMaxPooling",
    "nn.VolumetricDilatedMaxPooling",
    layout="channels_last",
    spatial_rank=3,
)
def volumetric_max(ctx: Context, m: Module, x: Any) -> Any:
    """As for images."""
    return _max_pooling(ctx, m, x)


@converts("nn.TemporalMaxPooling")
def temporal_max(ctx: Context, m: Module, x: Any) -> Any:
    """As for images; the data are [N, frames, features]."""
    return _max_pooling(ctx, m, x)


@converts("nn.SpatialMaxUnpooling", layout="channels_last", spatial_rank=2)
def spatial_unpooling(ctx: Context, m: Module, x: Any) -> Any:
    """Values back to where the linked pooling module took them from."""
    return _unpooling(ctx, m, x)


@converts("nn.VolumetricMaxUnpooling", layout="channels_last", spatial_rank=3)
def volumetric_unpooling(ctx: Context, m: Module, x: Any) -> Any:
    """As for images."""
    return _unpooling(ctx, m, x)


def _unpooling(ctx: Context, m: Module, x: Any) -> Any:
    pooling, rank = m.links.get("pooling"), len(_axes(m))
    taken = [] if pooling is None else _inputs(ctx, pooling)
    if pooling is None or not taken:
        raise ConversionError(f"{m}: the pooling that it inverts must come before it in the model")
    pooled = ctx.channels_last(taken[-1], rank)
    find = ctx.layer(pooling, MaxPoolingIndices, part="indices", **_windows(pooling))
    put = ctx.layer(m, MaxUnpooling, static_sizes(m, pooled.shape[-rank - 1 : -1]))
    if len(x.shape) == rank + 2:
        return put(x, find(pooled))
    indices = find(keras.ops.expand_dims(pooled, 0))
    return keras.ops.squeeze(put(keras.ops.expand_dims(x, 0), indices), 0)


def _inputs(ctx: Context, m: Module) -> list[Any]:
    """What the uses of a module so far took."""
    return [x for name, x in ctx.entries.items() if module_path(name) == m.path]


def _average_pooling(ctx: Context, m: Module, x: Any) -> Any:
    kernel = _sizes(m, "k")
    divides = _axes(m) != "HW" or m.flag("divide", m.source_class.startswith(ALWAYS_DIVIDE))
    layer = ctx.layer(
        m,
        AveragePooling,
        kernel,
        _sizes(m, "d", 1),
        _sizes(m, "pad", 0),
        ceil=_ceil(m),
        count_padding=m.flag("count_include_pad", "EXCLUDE" not in str(m.get("mode", ""))),
        scale=1.0 if divides else float(math.prod(kernel)),
    )
    return batchwise(m, x, len(kernel), layer)


@converts("nn.SpatialAveragePooling", layout="channels_last", spatial_rank=2)
def spatial_average(ctx: Context, m: Module, x: Any) -> Any:
    """The mean of each window; old files without ``divide`` mean the mean times kH·kW."""
    return _average_pooling(ctx, m, x)


@converts("nn.VolumetricAveragePooling", layout="channels_last", spatial_rank=3)
def volumetric_average(ctx: Context, m: Module, x: Any) -> Any:
    """The mean of each window."""
    return _average_pooling(ctx, m, x)


@converts("nn.SpatialAdaptiveMaxPooling", layout="channels_last", spatial_rank=2)
def adaptive_max(ctx: Context, m: Module, x: Any) -> Any:
    """H × W windows, whatever the input's size."""
    layer = ctx.layer(m, AdaptiveMaxPooling, (m.integer("H"), m.integer("W")))
    return batchwise(m, x, 2, layer)


@converts("nn.SpatialAdaptiveAveragePooling", layout="channels_last", spatial_rank=2)
def adaptive_average(ctx: Context, m: Module, x: Any) -> Any:
    """H × W windows, whatever the input's size."""
    layer = ctx.layer(m, AdaptiveAveragePooling, (m.integer("H"), m.integer("W")))
    return batchwise(m, x, 2, layer)


@converts("nn.SpatialSubSampling", layout="channels_last", spatial_rank=2)
def spatial_sub_sampling(ctx: Context, m: Module, x: Any) -> Any:
    """Window sums times a weight, plus a bias, of each plane."""
    return _sub_sampling(ctx, m, x)


@converts("nn.TemporalSubSampling")
def temporal_sub_sampling(ctx: Context, m: Module, x: Any) -> Any:
    """As for images; the data are [N, frames, features]."""
    return _sub_sampling(ctx, m, x)


def _sub_sampling(ctx: Context, m: Module, x: Any) -> Any:
    layer = ctx.layer(m, SubSampling, _sizes(m, "k"), _sizes(m, "d", 1))
    y = batchwise(m, x, len(_axes(m)), layer)
    ctx.bind(m, "weight", layer.kernel)
    ctx.bind(m, "bias", layer.bias)
    return y


RANDOM = "draws its windows from TensorFlow's generator, so single outputs differ from Torch's"


@converts(
    "nn.SpatialFractionalMaxPooling", layout="channels_last", spatial_rank=2, restrictions=RANDOM
)
def spatial_fractional(ctx: Context, m: Module, x: Any) -> Any:
    """Windows drawn anew for every image and plane."""
    return _fractional(ctx, m, x, "HW")


@converts(
    "nn.VolumetricFractionalMaxPooling", layout="channels_last", spatial_rank=3, restrictions=RANDOM
)
def volumetric_fractional(ctx: Context, m: Module, x: Any) -> Any:
    """Volumes are height × width × time here, unlike elsewhere in Torch."""
    return _fractional(ctx, m, x, "HWT")


def _fractional(ctx: Context, m: Module, x: Any, axes: str) -> Any:
    rank = len(axes)
    sizes = static_sizes(m, x.shape[-rank - 1 : -1])
    out = [
        m.integer(f"out{a}") if f"out{a}" in m else math.floor(n * m.number(f"ratio{a}"))
        for a, n in zip(axes, sizes, strict=True)
    ]
    layer = ctx.layer(
        m,
        FractionalMaxPooling,
        [m.integer(f"poolSize{a}") for a in axes],
        out,
        samples=_fixed_samples(m, x, rank),
    )
    return batchwise(m, x, rank, layer)


def _fixed_samples(m: Module, x: Any, rank: int) -> Any:
    """Numbers [N, C, axes] that ``fixPoolingRegions`` kept, if they fit; Torch reverses axes."""
    if not m.flag("newRandomPool") or "randomSamples" not in m.tensors:
        return None
    batch = static_sizes(m, x.shape[:1])[0] if len(x.shape) == rank + 2 else 1
    samples = m.array("randomSamples")
    if samples.shape != (batch, x.shape[-1], rank):
        return None
    return samples[..., ::-1]


@converts("nn.TemporalDynamicKMaxPooling")
def dynamic_k_max(ctx: Context, m: Module, x: Any) -> Any:
    """The max(minK, ceil(factor · frames)) largest of each feature."""
    frames, least = static_sizes(m, x.shape[-2:-1])[0], m.integer("minK")
    if frames < least:
        raise ConversionError(f"{m}: {frames} frames are fewer than the {least} to keep")
    k = max(least, math.ceil(m.number("factor", 0) * frames))
    return batchwise(m, x, 1, ctx.layer(m, KMaxPooling, k))


@converts("nn.FeatureLPPooling")
def feature_lp(ctx: Context, m: Module, x: Any) -> Any:
    """p-norms of neighbouring features; they come first, or second after a batch."""
    layer = ctx.layer(
        m,
        FeatureLPPooling,
        m.integer("width"),
        m.number("power"),
        m.integer("stride"),
        axis=1 if m.flag("batch_mode") else 0,
    )
    return layer(x)


@converts("nn.SpatialLPPooling", layout="aware")
def spatial_lp(ctx: Context, m: Module, x: Any) -> Any:
    """A container: power, average pooling, multiplication, root."""
    for child in m.children:
        x = ctx.convert(child, x)
    return x
