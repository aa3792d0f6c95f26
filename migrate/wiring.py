"""How the nodes of an ``nn.gModule`` are wired, as a flat list of steps.

nngraph saves its graphs as they live in memory: nodes whose ``data`` tables refer to each other.
``forwardnodes`` is their order of evaluation, and ``mapindex`` of a node's data lists the data of
the nodes it takes, in order. That is all one needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from migrate.t7.objects import Table, TorchObject

__all__ = ["INPUT", "Step", "WiringError", "modules_of", "wiring"]

INPUT = -1
"""Source of the step that takes the model's input."""


class WiringError(ValueError):
    """A saved graph does not hang together."""


@dataclass(frozen=True)
class Step:
    """One node: it takes values, and passes on one value.

    Attributes:
        sources: indices of the steps it takes, in order; (INPUT,) for the first. One source is
            taken as it is, several as a table.
        select: entry of that table (0-based) which it takes; None for all.
        module: index of the child module that it applies; None passes the value on.
    """

    sources: tuple[int, ...]
    select: int | None = None
    module: int | None = None


def modules_of(nodes: Any) -> list[TorchObject]:
    """The modules in ``forwardnodes``, one a node, in order of evaluation.

    Raises:
        WiringError: ``nodes`` is no list of nodes.
    """
    return [data["module"] for data in _data(nodes) if data.get("module") is not None]


def wiring(nodes: Any, last: Any) -> tuple[Step, ...]:
    """The steps of a graph, in order of evaluation; the last one gives the output.

    Args:
        nodes: the ``forwardnodes`` table of an ``nn.gModule``.
        last: its ``outnode``.

    Raises:
        WiringError: a node takes what is not computed before it, or there is no output.
    """
    index: dict[int, int] = {}
    dealt: dict[int, int] = {}
    steps: list[Step] = []
    modules = 0
    for data in _data(nodes):
        select = data.get("selectindex")
        if not steps:  # files of 2014 list here what takes which entry of the input
            takers = _sources(data)
            dealt = {id(taker): i for i, taker in enumerate(takers, 1) if len(takers) > 1}
            sources: tuple[int, ...] = (INPUT,)
        else:
            sources = tuple(_position(index, source, len(steps)) for source in _sources(data))
            select = dealt.get(id(data), select)
        if not sources:
            raise WiringError(f"node {len(steps) + 1} of the graph takes no input")
        module = None
        if data.get("module") is not None:
            module, modules = modules, modules + 1
        steps.append(Step(sources, None if select is None else int(select) - 1, module))
        index[id(data)] = len(steps) - 1
    end = _of_node(last)
    if not steps or index.get(id(end)) != len(steps) - 1:
        raise WiringError("the graph's outnode is not the last of its forwardnodes")
    return tuple(steps)


def _data(nodes: Any) -> list[Table]:
    listed = nodes.sequence() if isinstance(nodes, Table) else None
    if listed is None:
        raise WiringError("the graph's forwardnodes should list nodes 1..n")
    return [_of_node(node) for node in listed]


def _of_node(node: Any) -> Table:
    data = node.get("data") if isinstance(node, TorchObject) else None
    if not isinstance(data, Table):
        raise WiringError("a node of the graph has no data table")
    return data


def _sources(data: Table) -> list[Any]:
    found = data.get("mapindex")
    count = sum(isinstance(key, float | int) for key in found) if isinstance(found, Table) else 0
    return [found[i] for i in range(1, count + 1)] if isinstance(found, Table) else []


def _position(index: dict[int, int], source: Any, step: int) -> int:
    try:
        return index[id(source)]
    except KeyError:
        raise WiringError(
            f"node {step + 1} of the graph takes the output of a later node, or of none"
        ) from None
