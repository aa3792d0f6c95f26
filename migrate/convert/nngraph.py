"""``nn.gModule`` and the small modules of nngraph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from migrate.registry import converts
from migrate.wiring import INPUT

if TYPE_CHECKING:
    from migrate.context import Context
    from migrate.graph import Module


@converts("nn.gModule", layout="aware")
def gmodule(ctx: Context, m: Module, x: Any) -> Any:
    """Each step applies its module to the values of its sources."""
    values: list[Any] = []
    for step in m.wiring:
        taken = [x if source == INPUT else values[source] for source in step.sources]
        value = taken[0] if len(taken) == 1 else taken
        if step.select is not None:
            value = value[step.select]
        if step.module is not None:
            value = ctx.convert(m.children[step.module], value)
        values.append(value)
    return values[-1]


@converts("nngraph.JustTable", layout="aware")
def just_table(ctx: Context, m: Module, x: Any) -> list[Any]:
    """One value → a table of it."""
    return [x]


@converts("nngraph.JustElement", layout="aware")
def just_element(ctx: Context, m: Module, x: list[Any]) -> Any:
    """A table of one value → the value."""
    return x[0]


@converts("nn.ModuleFromCriterion")
def module_from_criterion(ctx: Context, m: Module, x: list[Any]) -> Any:
    """{prediction, target} → the criterion's loss, as a tensor of one element."""
    return keras.ops.reshape(ctx.convert(m.links["criterion"], x), (1,))
