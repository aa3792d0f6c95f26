"""Shapes during conversion: Torch's dimensions, tables with one layout, views of an open batch."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from migrate.context import Context, ConversionError, leaves

if TYPE_CHECKING:
    from collections.abc import Callable

    from migrate.graph import Module

__all__ = ["axis_of", "channel_axis", "entries", "reshaped", "same_layout", "size_of", "without"]

Shape = tuple[int, ...]


def axis_of(m: Module, rank: int, name: str = "dimension", default: int | None = None) -> int:
    """The 0-based axis, in Torch's layout, of a dimension field.

    Args:
        m: the module; its `nInputDims` says how many dimensions one sample has.
        rank: of the input.
        name: of the field.
        default: where the field is missing.

    Raises:
        ConversionError: the input has no such dimension.
    """
    dimension = m.integer(name, default)
    if dimension < 0:
        dimension += rank + 1
    elif m.get("nInputDims") is not None and rank == m.integer("nInputDims") + 1:
        dimension += 1
    if not 1 <= dimension <= rank:
        raise ConversionError(f"{m}: dimension {dimension} of an input of {rank} dimensions")
    return dimension - 1


def channel_axis(x: Any) -> int:
    """Torch's axis of the channels: the first of 1 or 3 dimensions, else the second."""
    return 0 if len(x.shape) in (1, 3) else 1


def entries(m: Module, x: Any, count: int = 1) -> list[Any]:
    """The input as a table of at least ``count`` entries."""
    if not isinstance(x, list) or len(x) < count:
        have = f"{len(x)} entries" if isinstance(x, list) else "one tensor"
        raise ConversionError(f"{m}: takes a table of at least {count} entries, got {have}")
    return x


def size_of(m: Module, x: Any, axis: int) -> int:
    """The size of an axis.

    Raises:
        ConversionError: it is the open batch; the model must then be made for the example's size.
    """
    size = x.shape[axis]
    if size is None:
        raise ConversionError(f"{m}: computes with the size of dimension {axis + 1}, left open")
    return int(size)


def same_layout(ctx: Context, xs: list[Any]) -> tuple[list[Any], tuple[int, ...]]:
    """Tensors in one layout, the one they have if it is the same; and that layout's axes."""
    found = {ctx.axes(leaf) for leaf in leaves(xs)}
    if len(found) == 1:
        return xs, found.pop()
    return ctx.torch_layout(xs), ()


def without(axes: Shape, torch_axis: int) -> Shape:
    """The layout of what remains when one of Torch's axes is gone; () for Torch's own."""
    kept = tuple(a - (a > torch_axis) for a in axes if a != torch_axis)
    return () if kept == tuple(range(len(kept))) else kept


def reshaped(ctx: Context, m: Module, x: Any, shape_of: Callable[[Shape], Shape]) -> Any:
    """``x``, in Torch's layout, in the shape that a function of its shape gives.

    Where the batch is open the function is asked about two batch sizes, and the dimension of the
    result that differs is the open one. Neither size is 1: Torch drops a batch of one row in some
    views, a model that takes any batch does not.

    Args:
        ctx: of the conversion.
        m: the module, for errors.
        x: Keras tensor.
        shape_of: input shape → output shape; raises ValueError where they do not fit. The output
            may have one -1.

    Raises:
        ConversionError: it fits no other batch size than the example's.
    """
    from keras import ops

    if None not in x.shape:
        return ctx.flattened(x, ops.reshape(x, _filled(m, tuple(x.shape), shape_of)))
    if None in x.shape[1:]:
        raise ConversionError(f"{m}: cannot view {tuple(x.shape)}, only the batch may be open")
    batch = max(ctx.batch or 2, 2)
    one, other = (_filled(m, (b, *x.shape[1:]), shape_of) for b in (batch, batch + 1))
    open_dims = [i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b]
    if len(one) != len(other) or len(open_dims) != 1:
        raise ConversionError(f"{m}: the view of {tuple(x.shape)} depends on the batch size")
    y = ops.reshape(x, tuple(-1 if i in open_dims else n for i, n in enumerate(one)))
    return ctx.flattened(x, y)


def _filled(m: Module, given: Shape, shape_of: Callable[[Shape], Shape]) -> Shape:
    """The output shape for an input shape, with the size that -1 stands for."""
    try:
        wanted = shape_of(given)
    except ValueError as error:
        raise ConversionError(f"{m}: {error}") from None
    known = prod(n for n in wanted if n != -1)
    if -1 in wanted and known and prod(given) % known == 0:
        wanted = tuple(prod(given) // known if n == -1 else n for n in wanted)
    if prod(wanted) != prod(given):
        raise ConversionError(f"{m}: cannot view {given} as {wanted}")
    return wanted
