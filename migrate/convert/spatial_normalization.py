"""Normalization of images by their surroundings: across channels, or across space."""

from __future__ import annotations

from typing import Any

from deepbird_v2.layers.local_normalization import (
    DivisiveNormalization,
    LocalSum,
    SubtractiveNormalization,
)
from deepbird_v2.layers.response_normalization import CrossChannelNormalization
from migrate.batching import batchwise
from migrate.context import Context, ConversionError
from migrate.graph import Module
from migrate.registry import converts
from migrate.weights import permute, reshape


@converts(
    "nn.SpatialCrossMapLRN",
    "nn.SpatialCrossResponseNormalization",
    layout="channels_last",
    spatial_rank=2,
)
def cross_map(ctx: Context, m: Module, x: Any) -> Any:
    """Division by the squares of neighbouring channels."""
    layer = ctx.layer(
        m,
        CrossChannelNormalization,
        m.integer("size", 5),
        m.number("alpha", 1e-4),
        m.number("beta", 0.75),
        m.number("k", m.number("K", 1)),
    )
    return batchwise(m, x, 2, layer)


def _steps(estimator: Module) -> dict[str, Module]:
    steps = {child.short_class: child for child in estimator.children}
    for needed in ("SpatialZeroPadding", "SpatialConvolution"):
        if needed not in steps:
            raise ConversionError(f"{estimator}: has no {needed}; it cannot be an estimator")
    return steps


def _local_sum(ctx: Context, estimator: Module) -> LocalSum:
    """The layer of a linked ``Sequential`` that pads, convolves, and repeats over the channels."""
    steps = _steps(estimator)
    padding, convolution = steps["SpatialZeroPadding"], steps["SpatialConvolution"]
    rows = steps.get("SpatialConvolutionMap")
    return ctx.layer(
        estimator,
        LocalSum,
        (convolution.integer("kH"), (rows or convolution).integer("kW")),
        (padding.integer("pad_t"), padding.integer("pad_l")),
        separable=rows is not None,
    )


def _bind(ctx: Context, estimator: Module, layer: LocalSum) -> None:
    """Torch never trains these."""
    steps = _steps(estimator)
    via = permute(2, 3, 1, 0)
    ctx.bind(steps["SpatialConvolution"], "weight", layer.kernel, via, trainable=False)
    if "SpatialConvolutionMap" in steps:
        rows = steps["SpatialConvolutionMap"]
        split = reshape(1, *rows.tensors["weight"].size)  # channels, 1, width
        ctx.bind(rows, "weight", layer.rows, split.then(permute(0, 3, 1, 2)), trainable=False)


@converts("nn.SpatialSubtractiveNormalization", layout="channels_last", spatial_rank=2)
def subtractive(ctx: Context, m: Module, x: Any) -> Any:
    """Each pixel minus the mean of its surroundings."""
    mean = _local_sum(ctx, m.links["meanestimator"])
    y = batchwise(m, x, 2, ctx.layer(m, SubtractiveNormalization, mean))
    _bind(ctx, m.links["meanestimator"], mean)
    return y


@converts("nn.SpatialDivisiveNormalization", layout="channels_last", spatial_rank=2)
def divisive(ctx: Context, m: Module, x: Any) -> Any:
    """Each pixel divided by the root mean square of its surroundings."""
    mean = _local_sum(ctx, m.links["meanestimator"])
    square = _local_sum(ctx, m.links["stdestimator"])
    threshold = m.number("threshold", 1e-4)
    layer = ctx.layer(
        m, DivisiveNormalization, mean, square, threshold, m.number("thresval", threshold)
    )
    y = batchwise(m, x, 2, layer)
    _bind(ctx, m.links["meanestimator"], mean)
    _bind(ctx, m.links["stdestimator"], square)
    return y


@converts("nn.SpatialContrastiveNormalization", layout="aware")
def contrastive(ctx: Context, m: Module, x: Any) -> Any:
    """The linked ``normalizer``: subtractive, then divisive."""
    return ctx.convert(m.links["normalizer"], x)
