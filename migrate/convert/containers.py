"""Containers: what flows between modules."""

from __future__ import annotations

from typing import Any

from migrate.context import Context, ConversionError
from migrate.graph import Module
from migrate.registry import converts


@converts("nn.Sequential", "modules.FullDenseLayer", "modules.FullSparseLayer", layout="aware")
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


@converts("nn.ConcatTable", layout="aware")
def concat_table(ctx: Context, m: Module, x: Any) -> list[Any]:
    """Every child takes the whole input."""
    return [ctx.convert(child, x) for child in m.children]
