"""Convolutions of images, volumes and sequences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from deepbird_v2.layers.geometry import border, every
from deepbird_v2.layers.local_convolution import LocalConvolution
from deepbird_v2.layers.mapped_convolution import MappedConvolution
from deepbird_v2.layers.transposed_convolution import TransposedConvolution
from migrate.batching import batchwise, static_sizes
from migrate.context import Context
from migrate.graph import Module
from migrate.registry import converts
from migrate.weights import TRANSPOSE, Via, permute, reshape

SPATIAL, VOLUMETRIC = "HW", "THW"
LAYERS = {SPATIAL: keras.layers.Conv2D, VOLUMETRIC: keras.layers.Conv3D}


class Walk(NamedTuple):
    """How a kernel walks over an image; one entry per spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def keeps_size(self) -> bool:
        """Whether this is what Keras calls ``same``."""
        extents = (d * (k - 1) for k, d in zip(self.kernel, self.dilation, strict=True))
        return set(self.stride) == {1} and all(
            2 * p == extent for p, extent in zip(self.pad, extents, strict=True)
        )


def _walk(m: Module, axes: str) -> Walk:
    """Old files have one ``padding`` for all axes, or none."""
    return Walk(
        tuple(m.integer(f"k{a}") for a in axes),
        tuple(m.integer(f"d{a}", 1) for a in axes),
        tuple(m.integer(f"pad{a}", m.integer("padding", 0)) for a in axes),
        tuple(m.integer(f"dilation{a}", 1) for a in axes),
    )


def _has_bias(m: Module) -> bool:
    return "bias" in m.tensors and bool(m.tensors["bias"].size)


def _unflattened(shape: Sequence[int]) -> Via:
    """A 2-D weight as the 4-D one that Torch makes of it on first use, for good."""
    return Via(f"reshape{tuple(shape)}", lambda a: a.reshape(shape), lambda g, _: g.reshape(shape))


@converts(
    "nn.SpatialConvolution",
    "nn.SpatialConvolutionMM",
    "nn.SpatialDilatedConvolution",
    layout="channels_last",
    spatial_rank=2,
)
def spatial(ctx: Context, m: Module, x: Any) -> Any:
    """Conv2D; Torch's weight is (out, in/groups, kH, kW)."""
    return batchwise(m, x, 2, lambda batch: _convolution(ctx, m, batch, SPATIAL))


@converts(
    "nn.VolumetricConvolution",
    "nn.VolumetricDilatedConvolution",
    layout="channels_last",
    spatial_rank=3,
)
def volumetric(ctx: Context, m: Module, x: Any) -> Any:
    """Conv3D; Torch's weight is (out, in/groups, kT, kH, kW)."""
    return batchwise(m, x, 3, lambda batch: _convolution(ctx, m, batch, VOLUMETRIC))


def _convolution(ctx: Context, m: Module, x: Any, axes: str) -> Any:
    walk, weight = _walk(m, axes), m.tensors["weight"].size
    x = x if walk.keeps_size else border(x, walk.pad, walk.pad)
    x, strides, after = _steps(x, walk)
    layer = ctx.layer(
        m,
        LAYERS[axes],
        weight[0],
        walk.kernel,
        strides=strides,
        padding="same" if walk.keeps_size else "valid",
        dilation_rate=walk.dilation,
        groups=m.integer("groups", 1),
        use_bias=_has_bias(m),
    )
    y = every(layer(x), after)
    full = (weight[0], math.prod(weight[1:]) // math.prod(walk.kernel), *walk.kernel)
    via = permute(*range(2, len(full)), 1, 0)
    if len(weight) == 2:
        stays_flat = m.class_name == "nn.SpatialConvolutionMM"
        via = (reshape(*full) if stays_flat else _unflattened(full)).then(via)
    ctx.bind(m, "weight", layer.kernel, via)
    if _has_bias(m):
        ctx.bind(m, "bias", layer.bias)
    return y


def _steps(x: Any, walk: Walk) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """Where to take strides: (input with strides taken, strides of the layer, strides after it).

    A 1×1 kernel needs only the pixels that its strides meet, so they are picked before (and must
    be, see :func:`deepbird_v2.layers.geometry.spread`). Keras has strides or dilation, not both;
    then the layer computes everything and strides come after.
    """
    ones = (1,) * len(walk.stride)
    if set(walk.kernel) == {1}:
        return every(x, walk.stride), ones, ones
    if max(walk.stride) > 1 and max(walk.dilation) > 1:
        return x, ones, walk.stride
    return x, walk.stride, ones


@converts("nn.SpatialFullConvolution", layout="aware")
def spatial_full(ctx: Context, m: Module, x: Any) -> Any:
    """The transposed convolution of an image, or of {image, target}."""
    return _full(ctx, m, x, SPATIAL)


@converts("nn.VolumetricFullConvolution", layout="aware")
def volumetric_full(ctx: Context, m: Module, x: Any) -> Any:
    """The transposed convolution of a volume, or of {volume, target}."""
    return _full(ctx, m, x, VOLUMETRIC)


def _full(ctx: Context, m: Module, x: Any, axes: str) -> Any:
    """Torch's weight is (in, out/groups, *kernel); of a target only the size matters."""
    walk, rank = _walk(m, axes), len(axes)
    adjust = tuple(m.integer(f"adj{a}", 0) for a in axes)
    if isinstance(x, list):
        x, target = x
        size = static_sizes(m, ctx.torch_layout(target).shape[-rank:])
        adjust = tuple(
            (n + 2 * p - k) % s
            for n, p, k, s in zip(size, walk.pad, walk.kernel, walk.stride, strict=True)
        )
    x = ctx.channels_last(x, rank)
    groups = m.integer("groups", 1)
    layer = ctx.layer(
        m,
        TransposedConvolution,
        m.tensors["weight"].size[1] * groups,
        walk.kernel,
        walk.stride,
        walk.pad,
        adjust,
        groups,
        use_bias=_has_bias(m),
    )
    y = batchwise(m, x, rank, lambda batch: layer(batch, output_padding=adjust))
    ctx.mark(y, ctx.axes(x))
    ctx.bind(m, "weight", layer.kernel, permute(*range(2, rank + 2), 1, 0))
    if _has_bias(m):
        ctx.bind(m, "bias", layer.bias)
    return y


@converts(
    "nn.SpatialConvolutionMap",
    "nn.SpatialFullConvolutionMap",
    layout="channels_last",
    spatial_rank=2,
)
def mapped(ctx: Context, m: Module, x: Any) -> Any:
    """A kernel (kH, kW) for each connection; the table counts planes from 1."""
    walk = _walk(m, SPATIAL)
    layer = ctx.layer(
        m,
        MappedConvolution,
        m.integer("nOutputPlane"),
        walk.kernel,
        (m.array("connTable").astype(int) - 1).tolist(),
        walk.stride,
        transposed=m.class_name == "nn.SpatialFullConvolutionMap",
    )
    y = batchwise(m, x, 2, layer)
    ctx.bind(m, "weight", layer.kernel)
    ctx.bind(m, "bias", layer.bias)
    return y


@converts("nn.SpatialConvolutionLocal", layout="channels_last", spatial_rank=2)
def local(ctx: Context, m: Module, x: Any) -> Any:
    """Torch's weight is (oH, oW, out, in, kH, kW), its bias (out, oH, oW)."""
    walk = _walk(m, SPATIAL)
    planes, inputs = m.integer("nOutputPlane"), m.integer("nInputPlane")
    layer = ctx.layer(m, LocalConvolution, planes, walk.kernel, walk.stride)
    y = batchwise(m, x, 2, lambda batch: layer(border(batch, walk.pad, walk.pad)))
    out = (m.integer("oH"), m.integer("oW"))
    seen = inputs * math.prod(walk.kernel)
    split = reshape(*out, planes, inputs, *walk.kernel)
    rows = split.then(permute(0, 1, 4, 5, 3, 2)).then(reshape(*out, seen, planes))
    ctx.bind(m, "weight", layer.kernel, rows)
    ctx.bind(m, "bias", layer.bias, reshape(planes, *out).then(permute(1, 2, 0)))
    return y


@converts("nn.SpatialDepthWiseConvolution", layout="channels_last", spatial_rank=2)
def depth_wise(ctx: Context, m: Module, x: Any) -> Any:
    """DepthwiseConv2D; Torch's weight is (out, in, kH, kW), its bias (out, in).

    Torch takes the height of a plane for its width and the other way round, without moving any
    element, so a plane that is not square is read as one of the other shape.
    """
    walk = _walk(m, SPATIAL)
    outputs, inputs = m.integer("nOutputPlane"), m.integer("nInputPlane")
    even = len(set(walk.stride)) == 1  # TensorFlow has no others here; they come after the layer
    layer = ctx.layer(
        m,
        keras.layers.DepthwiseConv2D,
        walk.kernel,
        strides=walk.stride if even else 1,
        depth_multiplier=outputs,
        use_bias=_has_bias(m),
    )

    def apply(batch: Any) -> Any:
        height, width = static_sizes(m, batch.shape[1:3])
        if height != width:
            batch = keras.ops.reshape(batch, (-1, width, height, inputs))
        y = layer(border(batch, walk.pad, walk.pad))
        return y if even else every(y, walk.stride)

    y = batchwise(m, x, 2, apply)
    via = permute(2, 3, 1, 0)
    if len(m.tensors["weight"].size) == 2:
        via = _unflattened((outputs, inputs, *walk.kernel)).then(via)
    ctx.bind(m, "weight", layer.kernel, via)
    if _has_bias(m):
        ctx.bind(m, "bias", layer.bias, TRANSPOSE.then(reshape(-1)))
    return y


@converts("nn.TemporalConvolution")
def temporal(ctx: Context, m: Module, x: Any) -> Any:
    """Conv1D over [N, frames, features]; Torch's weight is (out, kW·in), frames outermost.

    cudnn's twin of the class counts frames by H, and pads.
    """
    a = "H" if m.source_class.startswith("cudnn.") else "W"
    outputs, flat = m.tensors["weight"].size
    kernel, pad = m.integer(f"k{a}"), (m.integer(f"pad{a}", 0),)
    stride = m.integer(f"d{a}", 1)
    first = stride if kernel == 1 else 1  # see _steps
    layer = ctx.layer(
        m,
        keras.layers.Conv1D,
        outputs,
        kernel,
        strides=stride // first,
        use_bias=_has_bias(m),
    )
    y = batchwise(m, x, 1, lambda batch: layer(every(border(batch, pad, pad), (first,))))
    split = reshape(outputs, kernel, flat // kernel)
    ctx.bind(m, "weight", layer.kernel, split.then(permute(1, 2, 0)))
    if _has_bias(m):
        ctx.bind(m, "bias", layer.bias)
    return y


@converts("nn.TemporalRowConvolution", layout="aware")
def temporal_row(ctx: Context, m: Module, x: Any) -> Any:
    """DepthwiseConv1D; with ``featFirst`` Torch's data are [N, features, frames]."""
    x = ctx.channels_last(x, 1) if m.flag("featFirst") else ctx.torch_layout(x)
    layer = ctx.layer(
        m,
        keras.layers.DepthwiseConv1D,
        m.integer("kW"),
        strides=m.integer("dW", 1),
        use_bias=_has_bias(m),
    )
    y = batchwise(m, x, 1, layer)
    ctx.mark(y, ctx.axes(x))
    ctx.bind(m, "weight", layer.kernel, permute(2, 0, 1))
    if _has_bias(m):
        ctx.bind(m, "bias", layer.bias)
    return y
