"""Constants and learned factors and offsets."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from deepbird_v2.layers.affine import Offset, Scale
from deepbird_v2.layers.constant import Constant
from migrate.context import Context, ConversionError
from migrate.registry import converts
from migrate.weights import Via, permute
from migrate.weights import reshape as reshape_to

if TYPE_CHECKING:
    from migrate.graph import Module


def meeting(ctx: Context, m: Module, name: str, x: Any) -> tuple[tuple[int, ...], Via]:
    """The shape in which a tensor meets ``x`` by broadcasting, and how it gets there."""
    size = m.tensors[name].size
    features = tuple(x.shape[1:])
    if len(size) == len(x.shape) and (size[0] == 1 or size[0] == x.shape[0]):
        axes = ctx.axes(x) or tuple(range(len(size)))
        return tuple(size[i] for i in axes), permute(*axes)
    if ctx.axes(x):
        raise ConversionError(f"{m}: meets its input in Torch's layout")
    if prod(size) == 1:
        return (1,), reshape_to(1)
    if None not in x.shape and prod(x.shape) == prod(size):
        return tuple(x.shape), reshape_to(*x.shape)
    if None not in features and prod(features) == prod(size):
        return features, reshape_to(*features)
    raise ConversionError(f"{m}: {name} {size} does not fit an input of {tuple(x.shape)}")


def learned(ctx: Context, m: Module, x: Any, name: str, layer: type) -> Any:
    """Combine the input with the learned tensor ``name``."""
    if len(m.tensors[name].size) != len(x.shape):
        x = ctx.torch_layout(x)
    shape, via = meeting(ctx, m, name, x)
    made = ctx.layer(m, layer, shape)
    y = made(x)
    ctx.bind(m, name, made.kernel, via)
    ctx.mark(y, ctx.axes(x))
    return y


@converts("nn.CMul", layout="aware")
def cmul(ctx: Context, m: Module, x: Any) -> Any:
    """Times a learned tensor, element by element."""
    return learned(ctx, m, x, "weight", Scale)


@converts("nn.CAdd", "nn.Add", layout="aware")
def cadd(ctx: Context, m: Module, x: Any) -> Any:
    """Plus a learned tensor, element by element."""
    return learned(ctx, m, x, "bias", Offset)


@converts("nn.Mul", layout="any")
def mul(ctx: Context, m: Module, x: Any) -> Any:
    """Times one learned number."""
    scale = ctx.layer(m, Scale, (1,))
    y = scale(x)
    ctx.bind(m, "weight", scale.kernel)
    return y


def constant_of(ctx: Context, m: Module, x: Any) -> tuple[Any, Any]:
    """The input and the constant: a number, or a tensor of the input's size."""
    if "constant_scalar" not in m.tensors:
        return x, m.number("constant_scalar")
    return ctx.torch_layout(x), m.array("constant_scalar")


@converts("nn.AddConstant", layout="aware")
def add_constant(ctx: Context, m: Module, x: Any) -> Any:
    """Plus a constant."""
    x, constant = constant_of(ctx, m, x)
    y = x + constant
    ctx.mark(y, ctx.axes(x))
    return y


@converts("nn.MulConstant", layout="aware")
def mul_constant(ctx: Context, m: Module, x: Any) -> Any:
    """Times a constant."""
    x, constant = constant_of(ctx, m, x)
    y = x * constant
    ctx.mark(y, ctx.axes(x))
    return y


@converts("nn.Constant")
def constant(ctx: Context, m: Module, x: Any) -> Any:
    """A constant tensor, once a row of the input where that has a batch."""
    batched = "nInputDim" in m and len(x.shape) > m.integer("nInputDim")
    layer = ctx.layer(m, Constant, m.tensors["value"].size, batched)
    y = layer(x)
    ctx.bind(m, "value", layer.value, trainable=False)
    return y
