"""Modules that move values and compute nothing."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from keras import ops

from migrate.context import Context, ConversionError
from migrate.registry import converts
from migrate.shapes import reshaped, size_of

if TYPE_CHECKING:
    from migrate.graph import Module

Shape = tuple[int, ...]


@converts("nn.Identity", "nn.PrintSize", "nn.Contiguous", layout="aware")
def identity(ctx: Context, m: Module, x: Any) -> Any:
    """The input."""
    return x


@converts("nn.Copy", layout="any")
def copy(ctx: Context, m: Module, x: Any) -> Any:
    """The input in another tensor type: that of the module's output."""
    output = m.tensors.get("output")
    return x if output is None else ops.cast(x, str(output.dtype))


# --- the same values in another shape ----------------------------------------------------------


def view_shape(m: Module, given: Shape) -> Shape:
    """As `size`; what is more than that is the batch."""
    size = m.integers("size")
    elements = prod(n for n in size if n >= 0)
    dims = m.get("numInputDims")
    first = 0 if dims is None else max(len(given) - int(dims), 0)
    sample = prod(given[first:])
    if sample % elements:
        raise ValueError(f"input {given} and view {size} do not match")
    batch = prod(given[:first]) * (1 if -1 in size else sample // elements)
    return size if batch == 1 and first == 0 else (batch, *size)


@converts("nn.View")
def view(ctx: Context, m: Module, x: Any) -> Any:
    """As `size`, with a leading batch if there are more elements."""
    return reshaped(ctx, m, x, lambda given: view_shape(m, given))


@converts("nn.Reshape")
def reshape(ctx: Context, m: Module, x: Any) -> Any:
    """As `size`, with a leading batch unless the whole input has just that many elements."""
    size, batch_mode = m.integers("size"), m.fields.get("batchMode")

    def shape_of(given: Shape) -> Shape:
        fits = prod(given) == prod(size) and given[0] != 1
        whole = batch_mode is False or (batch_mode is None and fits)
        return size if whole else (given[0], *size)

    return reshaped(ctx, m, x, shape_of)


@converts("nn.Collapse")
def collapse(ctx: Context, m: Module, x: Any) -> Any:
    """All but the batch in one dimension."""
    batched = len(x.shape) > m.integer("nInputDim")
    return reshaped(ctx, m, x, lambda given: (given[0], -1) if batched else (-1,))


@converts("nn.Squeeze")
def squeeze(ctx: Context, m: Module, x: Any) -> Any:
    """Without the dimensions (or the one) of size 1; a scalar keeps one dimension."""
    rank = len(x.shape)
    batched = m.get("numInputDims") is not None and rank == m.integer("numInputDims") + 1
    if "dim" in m:
        axis = m.integer("dim") - 1 + batched
        return ops.squeeze(x, axis) if size_of(m, x, axis) == 1 and rank > 1 else x
    if x.shape[0] is None and ctx.batch == 1 and not batched:
        raise ConversionError(f"{m}: removes the batch of the example, which has one row")
    axes = [i for i in range(int(batched), rank) if x.shape[i] == 1]
    if len(axes) == rank - int(batched) and x.shape[0] == 1:
        axes = axes[1:]  # the last value keeps a dimension
    return ops.squeeze(x, tuple(axes)) if axes else x


@converts("nn.Unsqueeze")
def unsqueeze(ctx: Context, m: Module, x: Any) -> Any:
    """With one more dimension, of size 1."""
    rank = len(x.shape)
    return ops.expand_dims(x, m.integer("pos") - 1 + rank - m.integer("numInputDims", rank))


@converts("nn.Transpose")
def transpose(ctx: Context, m: Module, x: Any) -> Any:
    """Pairs of dimensions swapped, one pair after the other."""
    rank, dims = len(x.shape), m.get("numInputDims")
    first = 0 if dims is not None and rank == int(dims) + 1 else 1
    order = list(range(rank))
    for pair in m.get("permutations").sequence():
        i, j = (int(d) - first for d in pair.sequence())
        order[i], order[j] = order[j], order[i]
    return ops.transpose(x, order)


@converts("nn.Convert")
def convert(ctx: Context, m: Module, x: Any) -> Any:
    """From one order of named axes to another; `bf` flattens all but the batch."""
    given, wanted = str(m.get("inputShape")), str(m.get("outputShape"))
    if len(x.shape) == len(given):
        return _convert_batch(ctx, m, x, given, wanted)
    batch = ops.expand_dims(x, given.index("b"))
    return ops.squeeze(_convert_batch(ctx, m, batch, given, wanted), wanted.index("b"))


def _convert_batch(ctx: Context, m: Module, x: Any, given: str, wanted: str) -> Any:
    if sorted(given) == sorted(wanted):
        order = [given.index(letter) for letter in wanted]
        return x if order == sorted(order) else ops.transpose(x, order)
    if wanted in ("bf", "fb"):
        if given.index("b") != 0:
            x = ops.swapaxes(x, 0, given.index("b"))
        rows = reshaped(ctx, m, x, lambda shape: (shape[0], -1))
        return rows if wanted == "bf" else ops.transpose(rows)
    if wanted == "bt" and given == "b":
        return ops.expand_dims(x, 1)
    other = 1 - given.index("b")
    if wanted == "b" and len(given) == 2 and not ("f" in given and size_of(m, x, other) > 1):
        return ops.take(x, 0, axis=other)
    raise ConversionError(f"{m}: there is no conversion of {given} {x.shape} to {wanted}")
