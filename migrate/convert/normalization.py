"""Modules that normalize: over the batch, over a row, and their own weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from deepbird_v2.layers.batch_normalization import BatchNormalization
from deepbird_v2.layers.kmeans import Kmeans
from deepbird_v2.layers.normalize import Normalize
from deepbird_v2.layers.weight_normalization import WeightNormalization
from migrate.context import Context, ConversionError
from migrate.graph import own_parameters, with_tensor
from migrate.registry import converts
from migrate.weights import TRANSPOSE, Via, reshape

if TYPE_CHECKING:
    from migrate.graph import Module
    from migrate.weights import Binding

RANKS = {
    "nn.BatchNormalization": 2,
    "nn.SpatialBatchNormalization": 4,
    "nn.VolumetricBatchNormalization": 5,
}


@converts(
    "nn.BatchNormalization",
    "nn.SpatialBatchNormalization",
    "nn.VolumetricBatchNormalization",
    layout="aware",
)
def batch_normalization(ctx: Context, m: Module, x: Any) -> Any:
    """Features are Torch's second axis; a sample without a batch comes out as a batch of one."""
    if len(x.shape) == RANKS[m.class_name] - 1:
        x = ops.expand_dims(ctx.torch_layout(x), 0)
    if len(x.shape) != RANKS[m.class_name]:
        raise ConversionError(
            f"{m}: takes {RANKS[m.class_name]} dimensions, the batch first, got {x.shape}"
        )
    affine = bool(own_parameters(m))  # tensors without elements stand for none
    layer = ctx.layer(
        m,
        BatchNormalization,
        axis=ctx.axis(x, 1),
        momentum=m.number("momentum", 0.1),
        epsilon=m.number("eps", 1e-5),
        affine=affine,
        frozen=m.get("train") is None,  # such a file never trains
    )
    y = layer(x)
    ctx.mark(y, ctx.axes(x))
    if affine:
        ctx.bind(m, "weight", layer.gamma)
        ctx.bind(m, "bias", layer.beta)
    ctx.bind(m, "running_mean", layer.moving_mean, trainable=False)
    if "running_var" in m.tensors:
        ctx.bind(m, "running_var", layer.moving_variance, trainable=False)
    else:
        ctx.bind(m, "running_std", layer.moving_variance, variance(layer.epsilon), trainable=False)
    return y


def variance(epsilon: float) -> Via:
    """From what version 1 of the class kept, 1/√(variance + ε)."""
    return Via(
        "variance of 1/√(variance + ε)",
        lambda std: std**-2 - std.dtype.type(epsilon),
        lambda var, _: (var + var.dtype.type(epsilon)) ** -0.5,
    )


@converts("nn.LayerNormalization", layout="aware")
def layer_normalization(ctx: Context, m: Module, x: Any) -> Any:
    """A chain of modules that center a row, divide it by its norm, and scale it."""
    for child in m.children:
        x = ctx.convert(child, x)
    return x


@converts("nn.Normalize")
def normalize(ctx: Context, m: Module, x: Any) -> Any:
    """By the p-norm of the last axis."""
    if len(x.shape) > 2:
        raise ConversionError(f"{m}: takes a vector or a matrix, got {x.shape}")
    return ctx.layer(m, Normalize, m.number("p"), m.number("eps", 1e-10))(x)


@converts("nn.LinearWeightNorm")
def linear_weight_norm(ctx: Context, m: Module, x: Any) -> Any:
    """A dense layer whose kernel is g·v/‖v‖, column by column."""
    units = m.tensors["v"].size[0]
    bias = "bias" in m.tensors
    dense = ctx.layer(m, keras.layers.Dense, units, use_bias=bias, part="dense")
    layer = ctx.layer(m, WeightNormalization, dense, floor=m.number("eps", 0.0))
    y = ops.squeeze(layer(ops.expand_dims(x, 0)), 0) if len(x.shape) == 1 else layer(x)
    ctx.bind(m, "v", layer.v, TRANSPOSE)
    ctx.bind(m, "g", layer.g, reshape(units))
    if bias:
        ctx.bind(m, "bias", dense.bias)
    return y


@converts("nn.WeightNorm")
def weight_norm(ctx: Context, m: Module, x: Any) -> Any:
    """The wrapped module as a model of its own, run with the kernel g·v/√(‖v‖² + 1e-4)."""
    view, axis = _sizes(m, "viewOut"), m.integer("outputDim", 1) - 1
    output_first = Via(
        "output first",
        lambda a: np.moveaxis(a.reshape(view), 0, axis),
        lambda g, shape: np.moveaxis(g, axis, 0).reshape(shape),
    )
    made: dict[str, Binding] = {}

    def make(**options: Any) -> Any:
        shape = output_first.there(np.empty(view)).shape
        model, bindings = _model_of(ctx, m.children[0], shape, x)
        made.update(bindings)
        kernel = made["weight"].variable
        position = next(i for i, v in enumerate(model.weights) if v is kernel)
        rows = np.broadcast_to(np.arange(view[0])[:, None], m.tensors["v"].size)
        slices = _varying_axis(m, output_first.then(made["weight"].via).there(rows))
        return WeightNormalization(model, position, slices, epsilon=1e-4, **options)

    layer = ctx.layer(m, make)
    y = layer(x)
    if made:
        via = output_first.then(made["weight"].via)
        whole = Via(via.name, via.there, lambda g, shape: via.back(g, shape).reshape(view))
        ctx.bind(m, "v", layer.v, via, gradient_via=whole)
        ctx.bind(m, "g", layer.g, reshape(view[0]))
        if "bias" in made:
            ctx.bind(m, "bias", made["bias"].variable, made["bias"].via)
    return y


def _model_of(
    ctx: Context, module: Module, weight: tuple[int, ...], x: Any
) -> tuple[Any, dict[str, Binding]]:
    """A module, given a weight of that shape, as a model; and where its own tensors went."""
    module = with_tensor(module, "weight", np.zeros(weight, ctx.dtype))
    inner = Context(ctx.dtype)
    entry = keras.Input(batch_shape=x.shape, dtype=x.dtype)
    model = keras.Model(entry, inner.torch_layout(inner.convert(module, entry)))
    return model, {name: b for (owner, name), b in inner.bindings.items() if owner == id(module)}


def _varying_axis(m: Module, rows: Any) -> int:
    """The axis of a kernel along which its rows of v lie."""
    for axis in range(rows.ndim):
        shape = [-1 if i == axis else 1 for i in range(rows.ndim)]
        if (rows == np.arange(rows.shape[axis]).reshape(shape)).all():
            return axis
    raise ConversionError(
        f"{m}: the output of {m.children[0].class_name} is no axis of its kernel in Keras, so "
        f"its weight cannot be normalized; replace the WeightNorm by the module inside it"
    )


def _sizes(m: Module, name: str) -> tuple[int, ...]:
    storage = m.get(name)
    if storage is None:
        raise ConversionError(f"{m}: the file lacks the field {name!r}")
    return tuple(int(size) for size in storage.data)


@converts("nn.Kmeans")
def kmeans(ctx: Context, m: Module, x: Any) -> Any:
    """The number of the nearest center."""
    layer = ctx.layer(m, Kmeans, m.tensors["weight"].size[0], m.number("scale", 1.0))
    y = layer(x)
    ctx.bind(m, "weight", layer.weight)
    return y
