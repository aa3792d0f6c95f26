"""Linear maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from deepbird_v2.layers.partial_dense import PartialDense
from migrate.graph import Module, walk
from migrate.registry import converts
from migrate.weights import TRANSPOSE, reshape, rows

if TYPE_CHECKING:
    from migrate.context import Context


@converts("nn.Linear", layout="flat")
def linear(ctx: Context, m: Module, x: Any) -> Any:
    """Dense without activation; Torch's weight is (out, in), Keras' kernel (in, out).

    Of an image that was flattened with the channels last, the kernel's rows are in that order.
    """
    x, order = ctx.ordered(m, ctx.torch_layout(x) if ctx.axes(x) else x)
    units = m.tensors["weight"].size[0]
    dense = ctx.layer(m, keras.layers.Dense, units, use_bias="bias" in m.tensors)
    single = len(x.shape) == 1  # one row without a batch
    y = dense(keras.ops.expand_dims(x, 0) if single else x)
    y = keras.ops.squeeze(y, 0) if single else y
    via = TRANSPOSE if order is None else TRANSPOSE.then(rows(order))
    ctx.bind(m, "weight", dense.kernel, via)
    if "bias" in m.tensors:
        ctx.bind(m, "bias", dense.bias)
    return y


@converts("nn.PartialLinear")
def partial_linear(ctx: Context, m: Module, x: Any) -> Any:
    """Dense of which only the outputs of the file's partition are computed."""
    table = next(link for link in walk(m) if "weight" in link.tensors)
    units = table.tensors["weight"].size[0]
    chosen = [column - 1 for column in m.integers("partition")]
    layer = ctx.layer(
        m, PartialDense, units, None if chosen == list(range(units)) else chosen, "bias" in m
    )
    y = layer(x)
    ctx.bind(table, "weight", layer.kernel, TRANSPOSE)
    if "bias" in m:
        ctx.bind(m, "bias", layer.bias, reshape(units))
    return y
