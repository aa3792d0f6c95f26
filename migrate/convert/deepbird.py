"""Layers of v1's own: discretizer, splits, residual blocks, calibration."""

from __future__ import annotations

from typing import Any

import keras

from deepbird_v2.discretizers.percentile import PercentileDiscretizer as State
from deepbird_v2.layers.isotonic import Isotonic
from deepbird_v2.layers.percentile_discretizer import PercentileDiscretizer
from deepbird_v2.layers.sparse_partition import SparsePartition
from migrate.context import Context, ConversionError
from migrate.graph import Module
from migrate.registry import converts
from migrate.weights import IDENTITY, Via


@converts("modules.DiscretizerLayer", restrictions="percentile bins")
def discretizer(ctx: Context, m: Module, x: Any) -> Any:
    """Decoded records → sparse bins; the calibrated state becomes the layer's weights."""
    if not isinstance(x, dict):
        raise ConversionError(f"{m}: takes decoded DataRecords, and must come first in the model")
    state = discretizer_state(m)
    layer = ctx.layer(m, PercentileDiscretizer.from_state, state)
    order = state.order
    rows = Via("rows by feature id", lambda a: a[order], lambda a, shape: a[order.argsort()])
    for name, variable in (
        ("featureIds", layer.sorted_ids),
        ("binVals", layer.edges),
        ("binIds", layer.bin_ids),
    ):
        ctx.bind(m, name, variable, rows, trainable=False)
    return layer(x["key"], x["value"])


def discretizer_state(m: Module) -> State:
    """The calibrated state in a discretizer's tensors."""
    config = m.get("config", {})
    bits = config.get("outputBits") or m.get("outputBits")
    if bits is None:
        raise ConversionError(f"{m}: neither it nor its config says outputBits")
    return State(m.array("featureIds"), m.array("binVals"), m.array("binIds"), int(bits))


@converts("modules.IsotonicLayer")
def isotonic(ctx: Context, m: Module, x: Any) -> Any:
    """Piecewise linear calibration, in the type of its points."""
    layer = ctx.layer(m, Isotonic.from_points, m.array("xs"), m.array("ys"))
    ctx.bind(m, "xs", layer.xs, IDENTITY, trainable=False)
    ctx.bind(m, "ys", layer.ys, IDENTITY, trainable=False)
    return layer(x)


@converts("modules.SplitLayer", layout="aware")
def split(ctx: Context, m: Module, x: Any) -> Any:
    """Each tower takes its own features; a table of inputs is taken as it comes."""
    if not isinstance(x, list):
        groups = m.get("splits")
        if groups is None or "field" not in ctx.records:
            raise ConversionError(f"{m}: which features feed which tower is unknown")
        partition = ctx.layer(m, SparsePartition, groups)
        x = partition(x, ctx.records["field"])
    for child in m.children:
        x = ctx.convert(child, x)
    return x


@converts("modules.ResidualLayer", layout="aware")
def residual(ctx: Context, m: Module, x: Any) -> Any:
    """Input plus what the layers make of it.

    Saved by v1 it is a Sequential that ends in the addition; where its modules are the bare
    layers, the addition is made here.
    """
    y = x
    for child in m.children:
        y = ctx.convert(child, y)
    if m.children and m.children[-1].class_name == "nn.CAddTable":
        return y
    return keras.ops.add(ctx.torch_layout(x), ctx.torch_layout(y))
