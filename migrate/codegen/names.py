"""Variables of a script: one follows the data, others come where it branches."""

from __future__ import annotations

import builtins
import itertools
import keyword
import re
from collections.abc import Iterator, Sequence
from typing import Any

import keras

__all__ = ["Names", "identifier"]

MAIN = "x"


def identifier(text: str) -> str:
    """A variable name made of ``text``."""
    name = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)).strip("_").lower()
    name = name or "value"
    if name[0].isdigit():
        return f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) or hasattr(builtins, name) else name


class Names:
    """Gives each tensor of a model a variable.

    A result takes over the oldest variable that is not needed any more; what still is needed keeps
    its own, and the result gets a new one.

    Args:
        nodes: calls in the order of computation.
        model: whose outputs are needed to the end.
    """

    def __init__(self, nodes: Sequence[Any], model: Any) -> None:
        self.last: dict[int, int] = {}
        for position, node in enumerate(nodes):
            self.last.update((id(t), position) for t in node.input_tensors)
        self.last.update((id(t), len(nodes)) for t in keras.tree.flatten(model.outputs))
        self.nodes = nodes
        self.variable: dict[int, str] = {}
        self.kept: set[str] = set()  # never given away
        self.alive: dict[str, int] = {}  # variable → order of its making
        self.taken = {"layers", "ops", "keras", "np", "model"}
        self.order = itertools.count()

    def of(self, tensor: Any) -> str:
        """The variable of a tensor."""
        return self.variable[id(tensor)]

    def input(self, tensor: Any, alone: bool) -> str:
        """The variable of an input; a lone one is where the data starts."""
        name = MAIN if alone else self._fresh(_numbered(identifier(tensor.name)))
        self.taken.add(name)
        self.variable[id(tensor)] = name
        if alone:
            self.alive[name] = next(self.order)
        else:
            self.kept.add(name)
        return name

    def layer(self, class_name: str) -> str:
        """A variable for a layer that is called several times."""
        base = identifier(class_name)
        return self._fresh(_numbered(base))

    def outputs(
        self, position: int, tensors: Sequence[Any], wished: Sequence[str]
    ) -> tuple[str, ...]:
        """The variables that take the results of the call at ``position``."""
        dying = {
            self.variable[id(t)]
            for t in self.nodes[position].input_tensors
            if self.last[id(t)] == position and self.variable[id(t)] not in self.kept
        }
        free = sorted(
            (v for v in dying if not self._needed(v, position)), key=self.alive.__getitem__
        )
        for name in free:
            self.taken.discard(name)
        if len(free) > 1 and MAIN not in self.taken:  # where branches meet the main line goes on
            free.insert(0, MAIN)
        names = [
            self._output(
                tensor, wished[i : i + 1] or [f"part_{i + 1}"] if len(tensors) > 1 else free
            )
            for i, tensor in enumerate(tensors)
        ]
        for name in free:
            if name not in self.taken:
                self.alive.pop(name, None)
        return tuple(names)

    def _output(self, tensor: Any, wished: Sequence[str]) -> str:
        if id(tensor) not in self.last:
            return "_"
        candidates = _numbered(identifier(wished[0])) if wished else self._usual()
        name = self.variable[id(tensor)] = self._fresh(candidates)
        self.alive.setdefault(name, next(self.order))
        return name

    def _needed(self, variable: str, position: int) -> bool:
        later = (tensor for tensor, last in self.last.items() if last > position)
        return any(self.variable.get(tensor) == variable for tensor in later)

    def _usual(self) -> Iterator[str]:
        yield from (MAIN, "y", "z")
        yield from (f"branch_{n}" for n in itertools.count(1))

    def _fresh(self, candidates: Any) -> str:
        name = next(name for name in candidates if name not in self.taken)
        self.taken.add(name)
        return str(name)


def _numbered(base: str) -> Iterator[str]:
    yield base
    yield from (f"{base}_{n}" for n in itertools.count(2))
