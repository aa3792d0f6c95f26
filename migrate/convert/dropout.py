"""Dropouts and white noise; the noise is TensorFlow's, its distribution Torch's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from deepbird_v2.layers.dropout import BernoulliDropout, WhiteNoise
from migrate.registry import converts

if TYPE_CHECKING:
    from migrate.context import Context
    from migrate.graph import Module


@converts("nn.Dropout", layout="any")
def dropout(ctx: Context, m: Module, x: Any) -> Any:
    """Version 2 is Keras' own dropout; version 1 scales at inference.

    A file that does not have the field ``train`` never trains.
    """
    rate, v2, always = m.number("p", 0.5), m.flag("v2"), m.flag("stochastic_inference")
    if m.get("train") is None and not always:
        return x if v2 else x * (1.0 - rate)
    if v2 and not always:
        return ctx.layer(m, keras.layers.Dropout, rate)(x)
    scale = "training" if v2 else "inference"
    return ctx.layer(m, BernoulliDropout, rate, scale, always=always)(x)


@converts("nn.SpatialDropout", "nn.VolumetricDropout", layout="aware")
def plane_dropout(ctx: Context, m: Module, x: Any) -> Any:
    """Whole feature planes at once; always scaled at inference."""
    rank, spatial = len(x.shape), 2 if m.class_name == "nn.SpatialDropout" else 3
    rate, always = m.number("p", 0.5), m.flag("stochastic_inference")
    axes = [ctx.axis(x, axis) for axis in range(rank - spatial, rank)]
    if m.get("train") is None and not always:
        y = x * (1.0 - rate)
    else:
        layer = ctx.layer(m, BernoulliDropout, rate, "inference", shared_axes=axes, always=always)
        y = layer(x)
    ctx.mark(y, ctx.axes(x))
    return y


@converts("nn.WhiteNoise", layout="any")
def white_noise(ctx: Context, m: Module, x: Any) -> Any:
    """Normal noise in training, its mean in evaluation."""
    return ctx.layer(m, WhiteNoise, m.number("mean", 0.0), m.number("std", 0.1))(x)
