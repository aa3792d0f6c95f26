"""Linear modules on sparse rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from deepbird_v2.layers.full_sparse import FullSparse
from deepbird_v2.layers.index_linear import NormalizedSparse
from migrate.context import Context, ConversionError
from migrate.registry import converts
from migrate.weights import TRANSPOSE, Via

if TYPE_CHECKING:
    from migrate.graph import Module


@converts("nn.SparseLinear")
def sparse_linear(ctx: Context, m: Module, x: Any) -> Any:
    """Torch's keys from 1 became columns from 0; its weight is (out, in)."""
    layer = ctx.layer(
        m, FullSparse, m.tensors["weight"].size[0], weight_decay=m.number("weightDecay", 0)
    )
    y = _apply(m, layer, x)
    ctx.bind(m, "weight", layer.kernel, TRANSPOSE)
    ctx.bind(m, "bias", layer.bias)
    return y


@converts("nn.IndexLinear")
def index_linear(ctx: Context, m: Module, x: Any) -> Any:
    """The weight is (in, out), behind four columns of its own where values are normalized."""
    units = m.tensors["bias"].size[0]
    lead = m.tensors["weight"].size[1] - units
    layer = ctx.layer(m, NormalizedSparse if lead else FullSparse, units)
    y = _apply(m, layer, x)
    # Torch's gradient has no entries for the leading columns.
    columns = Via("columns", lambda a: a, lambda grad, _: grad[:, lead:])
    ctx.bind(m, "weight", layer.kernel, gradient_via=columns)
    ctx.bind(m, "bias", layer.bias)
    return y


def _apply(m: Module, layer: Any, x: Any) -> Any:
    if not getattr(x, "sparse", False):
        raise ConversionError(f"{m}: takes sparse rows, which only an input of the model can be")
    y = layer(x)
    # Only Torch's forms without a batch have a batch size known beforehand.
    return keras.ops.reshape(y, y.shape[1:]) if x.shape[0] == 1 else y
