"""``nn.Linear``."""

from __future__ import annotations

from typing import Any

import keras

from migrate.context import Context
from migrate.graph import Module
from migrate.registry import converts
from migrate.weights import TRANSPOSE


@converts("nn.Linear")
def linear(ctx: Context, m: Module, x: Any) -> Any:
    """Dense without activation; Torch's weight is (out, in), Keras' kernel (in, out)."""
    units = m.tensors["weight"].size[0]
    dense = ctx.layer(m, keras.layers.Dense, units, use_bias="bias" in m.tensors)
    single = len(x.shape) == 1  # one row without a batch
    y = dense(keras.ops.expand_dims(x, 0) if single else x)
    y = keras.ops.squeeze(y, 0) if single else y
    ctx.bind(m, "weight", dense.kernel, TRANSPOSE)
    if "bias" in m.tensors:
        ctx.bind(m, "bias", dense.bias)
    return y
