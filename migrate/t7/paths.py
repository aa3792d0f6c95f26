"""Paths inside an object: ``modules[3].weight``."""

from __future__ import annotations

from typing import Any

from migrate.t7.objects import BoolKey, Function, Storage, Table, Tensor, TorchObject

__all__ = ["join", "kind", "part", "shown"]

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


def join(parts: list[str]) -> str:
    """One path of many steps; of a very long one the first and the last steps."""
    if len(parts) > 2 * LONGEST:
        skipped = len(parts) - 2 * LONGEST
        parts = [*parts[:LONGEST], f"...({skipped} more)...", *parts[-LONGEST:]]
    return "".join(parts).removeprefix(".")


def shown(name: str) -> str:
    """A class name for a message: quoted and cut, whatever bytes it holds."""
    return ascii(name if len(name) <= 60 else name[:57] + "...")
