"""Layouts: what a class with its own ``write`` puts into the file, as data.

A layout is a list of steps, ``"<kind> <field>"``:

=================  ===================================================================
int, long          an integer                      -> ``int``
short, float,      one number                      -> ``int`` or ``float``
double
string             an int and that many bytes      -> ``str``
bytes:N            N bytes                         -> ``bytes``
object             any value
pairs              a long n, then n keys and values, merged into the fields (no name)
list               a long n, then n values, the fields 1..n (no name)
=================  ===================================================================
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from migrate.t7.errors import BadValue

__all__ = ["Layout", "LayoutSource", "Step", "load_layouts"]

NAMED: Final = frozenset({"int", "long", "short", "float", "double", "string", "bytes", "object"})
UNNAMED: Final = frozenset({"pairs", "list"})
_LARGEST_RUN: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Step:
    """One value of a layout: its kind, the field it fills, and for bytes how many."""

    kind: str
    name: str = ""
    count: int = 0


Layout: TypeAlias = tuple[Step, ...]
LayoutSource: TypeAlias = str | os.PathLike[str] | Mapping[str, Sequence[str]]


def load_layouts(extra: LayoutSource | None = None) -> Mapping[str, Layout]:
    """The layouts of this package, and over them those of ``extra``.

    Args:
        extra: class name -> steps, or the path of a JSON file that holds such a mapping.

    Raises:
        BadValue: a step that does not exist, named with its class.
    """
    if extra is None:
        return _packaged()
    if isinstance(extra, Mapping):
        return {**_packaged(), **_parse(extra, "layouts")}
    return {**_packaged(), **_read(Path(extra))}


@cache
def _packaged() -> Mapping[str, Layout]:
    return _read(Path(__file__).with_name("layouts.json"))


def _read(path: Path) -> dict[str, Layout]:
    try:
        text: Any = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise BadValue(f"not JSON: {error}", source=str(path)) from error
    return _parse(text, str(path))


def _parse(layouts: Any, source: str) -> dict[str, Layout]:
    if not isinstance(layouts, Mapping):
        raise BadValue("layouts must map class names to lists of steps", source=source)
    parsed = {}
    for name, steps in layouts.items():
        if isinstance(steps, str) or not isinstance(steps, Sequence):
            raise BadValue(f"the layout of {name} must be a list of steps", source=source)
        parsed[str(name)] = tuple(_step(str(name), step, source) for step in steps)
    return parsed


def _step(class_name: str, text: Any, source: str) -> Step:
    kind, _, name = str(text).strip().partition(" ")
    kind, _, count = kind.partition(":")
    if kind in UNNAMED and not name and not count:
        return Step(kind)
    if kind in NAMED and name.strip() and (kind == "bytes") == bool(count):
        if not count:
            return Step(kind, name.strip())
        if count.isdecimal() and int(count) <= _LARGEST_RUN:
            return Step(kind, name.strip(), int(count))
    raise BadValue(
        f"layout of {class_name}: no such step {text!r}",
        source=source,
        hint="a step is one of 'int x', 'long x', 'short x', 'float x', 'double x', 'string x', "
        "'bytes:N x', 'object x', 'pairs', 'list'",
    )
