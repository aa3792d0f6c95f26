"""Which module takes each part of a model's input, found before anything is converted.

An input that ends in ``nn.SparseLinear`` must be sparse however many containers, selections of
table entries and graph nodes lie between, so the way is followed from the root.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, TypeAlias

from migrate.wiring import INPUT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from migrate.graph import Module

__all__ = ["SPARSE", "Consumer", "consumers"]

Consumer: TypeAlias = "Module | dict[int, Consumer] | None"
"""One module; by position (negative from the end) for a table; None where nothing is known."""

# Modules that take something else than tensors, or a tensor in the place of something else.
SPARSE = frozenset({"nn.SparseLinear", "nn.IndexLinear", "modules.DiscretizerLayer"})

# Modules that hand on what they take.
PASSING = frozenset({"nn.Identity", "nn.Contiguous", "nn.Copy", "nn.PrintSize", "nn.Profile"})


def consumers(module: Module) -> Consumer:
    """The module(s) that take the input of ``module``."""
    return _chain((module,)) or module


def _chain(modules: Sequence[Module]) -> Consumer:
    """What takes the input of modules that follow each other."""
    if not modules:
        return None
    head, rest = modules[0], modules[1:]
    if head.class_name in PASSING:
        return _chain(rest)
    follow = _FOLLOW.get(head.class_name)
    return head if follow is None else follow(head, rest)


def _sequential(head: Module, rest: Sequence[Module]) -> Consumer:
    return _chain((*head.children, *rest))


def _every(head: Module, rest: Sequence[Module]) -> Consumer:
    return reduce(_merge, (_chain((child,)) for child in head.children), None)


def _parallel(head: Module, rest: Sequence[Module]) -> Consumer:
    after = _chain(rest)
    by_entry = after if isinstance(after, dict) else {}
    return {
        i: _chain((child,)) or by_entry.get(i) or child for i, child in enumerate(head.children)
    }


def _select(head: Module, rest: Sequence[Module]) -> Consumer:
    index = head.get("index")
    if not isinstance(index, float | int):
        return head
    return {int(index) - (index > 0): _chain(rest)}


def _narrow(head: Module, rest: Sequence[Module]) -> Consumer:
    after = _chain(rest)
    offset = head.integer("offset") - 1
    if not isinstance(after, dict) or offset < 0:
        return head
    return {offset + i: consumer for i, consumer in after.items() if i >= 0}


def _graph(head: Module, rest: Sequence[Module]) -> Consumer:
    """Follows the steps backwards: what takes a step's value is what its users take."""
    taking: list[Consumer] = [None] * len(head.wiring)
    taking[-1] = _chain(rest)
    of_input: Consumer = None
    for number in reversed(range(len(head.wiring))):
        step = head.wiring[number]
        own = taking[number]
        if step.module is not None:
            own = _chain((head.children[step.module],)) or own
        if step.select is not None:
            own = {step.select: own}
        for position, source in enumerate(step.sources):
            entry = own
            if len(step.sources) > 1 and isinstance(own, dict):
                entry = own.get(position)
            if source == INPUT:
                of_input = _merge(of_input, entry)
            else:
                taking[source] = _merge(taking[source], entry)
    return of_input


def _merge(first: Consumer, second: Consumer) -> Consumer:
    """What takes a value that two modules take."""
    if isinstance(first, dict) and isinstance(second, dict):
        return {i: _merge(first.get(i), second.get(i)) for i in first | second}
    if isinstance(first, dict) or second is None:
        return first
    if isinstance(second, dict) or first is None:
        return second
    return second if second.class_name in SPARSE else first


_FOLLOW: dict[str, Callable[[Module, Sequence[Module]], Consumer]] = {
    "nn.Sequential": _sequential,
    "nn.Maxout": _sequential,
    "nn.DontCast": _sequential,
    "nn.GPU": _sequential,
    "nn.Serial": _sequential,
    "nn.NaN": _sequential,
    "nn.Decorator": _sequential,
    "nn.NoBackprop": _sequential,
    "modules.FullSparseLayer": _sequential,
    "modules.FullDenseLayer": _sequential,
    "modules.SplitLayer": _sequential,
    "nn.Concat": _every,
    "nn.ConcatTable": _every,
    "nn.DepthConcat": _every,
    "nn.ParallelTable": _parallel,
    "nn.SelectTable": _select,
    "nn.NarrowTable": _narrow,
    "nn.gModule": _graph,
}
