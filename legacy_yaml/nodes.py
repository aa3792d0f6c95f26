"""The document as nodes that know where they were written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import yaml

if TYPE_CHECKING:
    from legacy_yaml.problems import Mark

ScalarValue: TypeAlias = bool | int | float | str | None
Plain: TypeAlias = "ScalarValue | Sequence[Plain] | Mapping[str, Plain]"


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value; ``text`` is what was written, ``plain`` that it had no quotes."""

    mark: Mark
    value: ScalarValue
    text: str
    plain: bool = True


@dataclass(frozen=True, slots=True)
class Seq:
    """A list."""

    mark: Mark
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``key: value`` of a mapping; ``mark`` is the key's."""

    key: str
    mark: Mark
    value: Node


@dataclass(frozen=True, slots=True)
class Map:
    """A mapping with text keys, each at most once."""

    mark: Mark
    entries: tuple[Entry, ...]

    def get(self, key: str) -> Node | None:
        """The value of ``key``, or None."""
        return next((entry.value for entry in self.entries if entry.key == key), None)


@dataclass(frozen=True, slots=True)
class Broken:
    """Stands where a problem was already reported, so that nothing is said twice."""

    mark: Mark


Node: TypeAlias = Scalar | Seq | Map | Broken


def describe(node: Node) -> str:
    """What a node is, in the words of a message: ``the number 3``, ``a list``."""
    match node:
        case Map():
            return "a mapping"
        case Seq():
            return "a list"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=bool()):
            return f"the boolean {node.text}"
        case Scalar(value=int() | float()):
            return f"the number {shorten(node.text)}"
        case Scalar():
            return f"the text {shorten(node.text)!r}"
        case Broken():
            return "an unusable value"


def shorten(text: str, limit: int = 60) -> str:
    """``text`` cut to a length that fits in a message."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def scalar(mark: Mark, text: str, *, plain: bool = True) -> Scalar:
    """A scalar of ``text``; unquoted text takes the type that YAML 1.1 gives it."""
    return Scalar(mark, resolve(text) if plain else text, text, plain)


def resolve(text: str) -> ScalarValue:
    """The value of unquoted text by the rules of YAML 1.1; dates stay text."""
    resolver, _ = _yaml_rules()
    return construct(resolver.resolve(yaml.ScalarNode, text, (True, False)), text)


def construct(tag: str, text: str) -> ScalarValue:
    """The value of ``text`` under one of the scalar tags of YAML 1.1, else the text itself.

    A number that Python cannot hold (``0x_``, more digits than it converts) stays text and is
    then reported by whoever wanted a number.
    """
    build = _BUILDERS.get(tag)
    if build is None:
        return text
    _, constructor = _yaml_rules()
    try:
        node = yaml.ScalarNode(tag, text)
        return cast("ScalarValue", getattr(constructor, build)(node))
    except (ValueError, OverflowError, KeyError, IndexError):
        return text


_BUILDERS = {
    f"tag:yaml.org,2002:{kind}": f"construct_yaml_{kind}"
    for kind in ("null", "bool", "int", "float")
}


@cache
def _yaml_rules() -> tuple[Any, Any]:
    """PyYAML's resolver of plain text and constructor of scalars, which are not typed."""
    return yaml.resolver.Resolver(), yaml.constructor.SafeConstructor()


def from_plain(value: object, mark: Mark) -> Node:
    """Nodes for plain Python data, all at one mark; text is taken as text.

    Raises:
        TypeError: If the data holds anything but mappings, lists and scalars.
    """
    match value:
        case None | bool():
            return Scalar(mark, value, {None: "null", True: "true", False: "false"}[value])
        case int() | float():
            return Scalar(mark, value, repr(value))
        case str():
            return Scalar(mark, value, value, plain=False)
        case Mapping():
            entries = (Entry(str(k), mark, from_plain(v, mark)) for k, v in value.items())
            return Map(mark, tuple(entries))
        case Sequence():
            return Seq(mark, tuple(from_plain(item, mark) for item in value))
    msg = f"a variable is a scalar, a list or a mapping, not {type(value).__name__}"
    raise TypeError(msg)


def to_plain(node: Node) -> Plain:
    """Plain Python data for nodes."""
    match node:
        case Scalar():
            return node.value
        case Seq():
            return [to_plain(item) for item in node.items]
        case Map():
            return {entry.key: to_plain(entry.value) for entry in node.entries}
        case Broken():
            return None
