"""Paths inside an object: ``modules[3].weight``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from migrate.t7.objects import BoolKey, Function, Storage, Table, Tensor, TorchObject

__all__ = ["Trail", "join", "kind", "part", "shown"]

LONGEST = 12


def part(key: Any) -> str:
    """One step of a path: ``.name`` for a string, ``[3]`` for a number, ``[<kind>]`` otherwise."""
    if isinstance(key, str):
        if key.isidentifier():
            return f".{key}"
        text = key if len(key) <= 40 else key[:37] + "..."
        return f"[{text!r}]"
    if isinstance(key, (int, float)) and not isinstance(key, bool):
        return f"[{int(key)}]" if float(key).is_integer() else f"[{key:.17g}]"
    if isinstance(key, BoolKey):
        return f"[{str(key.value).lower()}]"
    return f"[<{kind(key)}>]"


def kind(value: Any) -> str:
    """What a container is called in messages: its class name, or ``table`` or ``function``."""
    if isinstance(value, (Tensor, Storage, TorchObject)):
        return value.class_name
    if isinstance(value, Table):
        return "table"
    return "function" if isinstance(value, Function) else type(value).__name__


class Trail:
    """A path that grows by steps; of a very long one only the first and the last are kept."""

    __slots__ = ("_depth", "_head", "_tail")

    def __init__(self, head: str = "", tail: tuple[str, ...] = (), depth: int = 0) -> None:
        self._head = head
        self._tail = tail
        self._depth = depth

    def then(self, step: str) -> Trail:
        """The trail with one more step."""
        if self._depth < LONGEST:
            return Trail(self._head + step, (), self._depth + 1)
        return Trail(self._head, (*self._tail, step)[-LONGEST:], self._depth + 1)

    def __str__(self) -> str:
        skipped = self._depth - LONGEST - len(self._tail)
        gap = f"...({skipped} more)..." if skipped > 0 else ""
        return (self._head + gap + "".join(self._tail)).removeprefix(".")


def join(steps: Iterable[str]) -> str:
    """One path of many steps, shortened as a ``Trail``."""
    trail = Trail()
    for step in steps:
        trail = trail.then(step)
    return str(trail)


def shown(name: str) -> str:
    """A class name for a message: quoted and cut, whatever bytes it holds."""
    return ascii(name if len(name) <= 60 else name[:57] + "...")
