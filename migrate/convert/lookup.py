"""Tables of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from deepbird_v2.layers.lookup_table import LookupTable, OneHotRows
from migrate.registry import converts

if TYPE_CHECKING:
    from migrate.context import Context
    from migrate.graph import Module


@converts("nn.LookupTable")
def lookup_table(ctx: Context, m: Module, x: Any) -> Any:
    """Rows from 1, of any number type; a padding row of 0 is none."""
    rows, *shape = m.tensors["weight"].size
    padding = m.integer("paddingValue", 0)
    layer = ctx.layer(
        m,
        LookupTable,
        rows,
        shape,
        padding=padding - 1 if 1 <= padding <= rows else None,
        max_norm=m.number("maxNorm") if m.flag("maxNorm") else None,
        norm_type=m.number("normType", 2),
        scale_by_frequency=m.flag("shouldScaleGradByFreq"),
    )
    y = layer(_from_zero(x))
    ctx.bind(m, "weight", layer.table)
    return y


@converts("nn.OneHot")
def one_hot(ctx: Context, m: Module, x: Any) -> Any:
    """Positions from 1."""
    return ctx.layer(m, OneHotRows, m.integer("outputSize"))(_from_zero(x))


def _from_zero(x: Any) -> Any:
    return keras.ops.subtract(keras.ops.cast(x, "int64"), 1)
