"""Containers: what flows between modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from migrate.context import Context, ConversionError
from migrate.graph import map_children
from migrate.registry import converts
from migrate.shapes import same_layout, size_of

if TYPE_CHECKING:
    from migrate.graph import Module

# Torch's `_type` → the floating type of Keras layers.
DTYPES = {"torch.FloatTensor": "float32", "torch.DoubleTensor": "float64"}


@converts(
    "nn.Sequential", "nn.Maxout", "modules.FullDenseLayer", "modules.FullSparseLayer",
    layout="flat",
)  # fmt: skip
def sequential(ctx: Context, m: Module, x: Any) -> Any:
    """Each child takes what the one before gave."""
    for child in m.children:
        x = ctx.convert(child, x)
    return x


@converts("nn.ParallelTable", layout="aware")
def parallel_table(ctx: Context, m: Module, x: Any) -> list[Any]:
    """Child i takes entry i."""
    if not isinstance(x, list) or len(x) < len(m.children):
        have = f"{len(x)} entries" if isinstance(x, list) else "one tensor"
        raise ConversionError(f"{m}: takes a table of {len(m.children)} entries, got {have}")
    return [ctx.convert(child, entry) for child, entry in zip(m.children, x, strict=False)]


@converts("nn.ConcatTable", layout="flat")
def concat_table(ctx: Context, m: Module, x: Any) -> list[Any]:
    """Every child takes the whole input."""
    return [ctx.convert(child, x) for child in m.children]


@converts("nn.Decorator", "nn.NaN", "nn.Profile", "nn.Serial", "nn.GPU", layout="flat")
def decorator(ctx: Context, m: Module, x: Any) -> Any:
    """What the child does."""
    return ctx.convert(m.children[0], x)


@converts("nn.DataParallelTable", layout="aware")
def data_parallel_table(ctx: Context, m: Module, x: Any) -> Any:
    """What the first child does; the others are its copies on other devices."""
    ctx.expanded[id(m)] = m.children[:1]
    return ctx.convert(m.children[0], x)


@converts("nn.DontCast", layout="aware")
def dont_cast(ctx: Context, m: Module, x: Any) -> Any:
    """What the child does, in the child's own type."""
    outer = ctx.dtype
    inner = DTYPES.get(str(m.children[0].get("_type")), outer)
    if inner == outer:
        return ctx.convert(m.children[0], x)
    ctx.dtype = inner
    casts = m.flag("castin")
    y = ctx.convert(m.children[0], cast(ctx, x, inner) if casts else x)
    ctx.dtype = outer
    return cast(ctx, y, outer) if m.flag("castout", casts) else y


def cast(ctx: Context, x: Any, dtype: str) -> Any:
    """A tensor or a table in another type, in the same layout."""
    if isinstance(x, list):
        return [cast(ctx, entry, dtype) for entry in x]
    y = ops.cast(x, dtype)
    ctx.mark(y, ctx.axes(x))
    return y


@converts("nn.Concat", layout="aware")
def concat(ctx: Context, m: Module, x: Any) -> Any:
    """Every child takes the whole input; the outputs are joined along a dimension."""
    outputs, axes = same_layout(ctx, [ctx.convert(child, x) for child in m.children])
    dimension = m.integer("dimension") - 1
    y = ops.concatenate(outputs, axis=axes.index(dimension) if axes else dimension)
    ctx.mark(y, axes)
    return y


@converts("nn.DepthConcat", layout="aware")
def depth_concat(ctx: Context, m: Module, x: Any) -> Any:
    """Concat of outputs of different sizes, each centred among zeros."""
    outputs, axes = same_layout(ctx, [ctx.convert(child, x) for child in m.children])
    dimension = m.integer("dimension") - 1
    axis = axes.index(dimension) if axes else dimension
    sizes = [
        0 if i == axis or all(y.shape[i] is None for y in outputs)
        else max(size_of(m, y, i) for y in outputs)
        for i in range(len(outputs[0].shape))
    ]  # fmt: skip
    y = ops.concatenate([centred(y, sizes) for y in outputs], axis=axis)
    ctx.mark(y, axes)
    return y


def centred(y: Any, sizes: list[int]) -> Any:
    """Padded with zeros to ``sizes`` (0: as it is), the odd one at the end."""
    spare = [size - n if size else 0 for size, n in zip(sizes, y.shape, strict=True)]
    return ops.pad(y, [(n // 2, n - n // 2) for n in spare]) if any(spare) else y


@converts("nn.Parallel")
def parallel(ctx: Context, m: Module, x: Any) -> Any:
    """Child i takes slice i of a dimension; the outputs are joined along another."""
    axis = m.integer("inputDimension") - 1
    if size_of(m, x, axis) != len(m.children):
        raise ConversionError(f"{m}: {len(m.children)} children for an input of {x.shape}")
    parts = ops.unstack(x, num=len(m.children), axis=axis)
    outputs = [ctx.convert(child, part) for child, part in zip(m.children, parts, strict=True)]
    return ops.concatenate(ctx.torch_layout(outputs), axis=m.integer("outputDimension") - 1)


@converts("nn.Bottle")
def bottle(ctx: Context, m: Module, x: Any) -> Any:
    """The child sees the leading dimensions as one."""
    keep = len(x.shape) - m.integer("nInputDim", 2) + 1
    if keep <= 1:
        return ctx.convert(m.children[0], x)
    inner = tuple(x.shape[keep:])
    y = ctx.torch_layout(ctx.convert(m.children[0], ops.reshape(x, (-1, *inner))))
    lead = tuple(-1 if n is None else n for n in x.shape[:keep])
    return ops.reshape(y, (*lead, *y.shape[1:]))


@converts("nn.MapTable", layout="aware")
def map_table(ctx: Context, m: Module, x: Any) -> list[Any]:
    """One child for all entries, or a copy of it for each where it is not shared."""
    if not isinstance(x, list):
        raise ConversionError(f"{m}: takes a table, got one tensor")
    if len(ctx.expanded.get(id(m), ())) != len(x):
        ctx.expanded[id(m)] = map_children(m, len(x))
    return [ctx.convert(c, entry) for c, entry in zip(ctx.expanded[id(m)], x, strict=True)]
