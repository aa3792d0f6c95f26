"""Text to nodes: YAML 1.1 without its dangers.

No Python object is ever built; aliases, merge keys, size and depth are bounded; duplicate keys
are a problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from legacy_yaml import nodes
from legacy_yaml.nodes import Broken, Entry, Map, Node, Scalar, Seq, shorten
from legacy_yaml.problems import Mark
from legacy_yaml.text import decode, shield, unshield

if TYPE_CHECKING:
    from legacy_yaml.problems import Problems

MAX_DEPTH = 100
MAX_NODES = 250_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = {_CORE + kind for kind in ("str", "null", "bool", "int", "float")}
_MERGE = "<<"
_SEPARATE = "two documents in one file: a config is one document; use 'include' for the other"


@dataclass(frozen=True, slots=True)
class _Part:
    """A composed node with what it amounts to once every alias is written out."""

    node: Node
    size: int = 1
    depth: int = 0


def compose(data: bytes | str, file: str, problems: Problems) -> Node | None:
    """Parses one YAML document.

    Args:
        data: The text, or its UTF-8 bytes.
        file: The name used in marks.
        problems: Receives what is wrong.

    Returns:
        The root node, or None for a document without content.

    Raises:
        ConfigError: If the text cannot be read any further.
    """
    parser = _LOADER(shield(decode(data, file, problems)))
    try:
        return _Composer(parser, file, problems).document()
    except yaml.MarkedYAMLError as error:
        mark = _mark_at(error.problem_mark or error.context_mark, file)
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        raise problems.fatal(mark, "", f"not valid YAML: {reason}") from error
    finally:
        parser.dispose()


def _mark_at(mark: Any, file: str) -> Mark:
    return Mark(file, mark.line + 1, mark.column + 1) if mark else Mark(file, 1, 1)


class _Composer:
    def __init__(self, parser: yaml.SafeLoader, file: str, problems: Problems) -> None:
        self._parser: Any = parser  # PyYAML's events are not typed
        self._file = file
        self._problems = problems
        self._anchors: dict[str, _Part | None] = {}  # None: the anchored node is still open

    def document(self) -> Node | None:
        self._next(yaml.StreamStartEvent)
        if self._parser.check_event(yaml.StreamEndEvent):
            return None
        self._next(yaml.DocumentStartEvent)
        bare_list = self._parser.check_event(yaml.SequenceStartEvent)
        root = self._part("model" if bare_list else "", 0).node
        self._next(yaml.DocumentEndEvent)
        if not self._parser.check_event(yaml.StreamEndEvent):
            raise self._problems.fatal(self._mark(self._parser.peek_event()), "", _SEPARATE)
        if isinstance(root, Scalar) and root.value is None:
            return None
        return root

    def _next(self, kind: type[yaml.Event]) -> yaml.Event:
        event = self._parser.get_event()
        assert isinstance(event, kind)  # noqa: S101  the parser's own grammar
        return event

    def _mark(self, event: yaml.Event) -> Mark:
        return _mark_at(event.start_mark, self._file)

    def _part(self, path: str, depth: int) -> _Part:
        event = self._parser.get_event()
        mark = self._mark(event)
        if depth > MAX_DEPTH:
            raise self._problems.fatal(mark, "", f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), mark, path)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        match event:
            case yaml.ScalarEvent():
                part = _Part(self._scalar(event, mark, path))
            case yaml.SequenceStartEvent():
                part = self._sequence(event, mark, path, depth)
            case _:
                part = self._mapping(event, mark, path, depth)
        if part.size > MAX_NODES:
            message = (
                f"the document holds {part.size:,} values, more than {MAX_NODES:,} (alias bomb?)"
            )
            raise self._problems.fatal(mark, path, message)
        if part.depth > MAX_DEPTH:
            raise self._problems.fatal(mark, path, f"aliases nest deeper than {MAX_DEPTH} levels")
        if event.anchor is not None:
            self._anchors[event.anchor] = part
        return part

    def _alias(self, anchor: str, mark: Mark, path: str) -> _Part:
        if anchor not in self._anchors:
            known = shorten(anchor)
            self._problems.add(mark, path, f"alias *{known} has no anchor &{known} before it")
            return _Part(Broken(mark))
        part = self._anchors[anchor]
        if part is None:
            message = f"alias *{shorten(anchor)} stands inside its own anchor"
            self._problems.add(mark, path, message)
            return _Part(Broken(mark))
        return part

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark, path: str) -> Node:
        text = unshield(event.value)
        if event.tag is None or event.tag == "!":
            return nodes.scalar(mark, text, plain=event.implicit[0])
        if event.tag not in _SCALAR_TAGS:
            return self._refuse(event.tag, mark, path)
        value = nodes.construct(event.tag, text)
        if isinstance(value, str) and event.tag != _CORE + "str":
            kind = event.tag.removeprefix(_CORE)
            message = f"tag !!{kind} on {shorten(text)!r}, which is not one"
            self._problems.add(mark, path, message)
            return Broken(mark)
        return Scalar(mark, value, text, plain=event.tag != _CORE + "str")

    def _refuse(self, tag: str, mark: Mark, path: str) -> Broken:
        shown = shorten(tag.replace(_CORE, "!!"))
        if tag.startswith(_CORE + "python/"):
            message = f"tag {shown} would build a Python object: configs hold data only"
        else:
            message = f"tag {shown} is unknown: configs hold plain data only"
        self._problems.add(mark, path, message)
        return Broken(mark)

    def _sequence(self, event: yaml.SequenceStartEvent, mark: Mark, path: str, depth: int) -> _Part:
        parts: list[_Part] = []
        while not self._parser.check_event(yaml.SequenceEndEvent):
            parts.append(self._part(f"{path}[{len(parts)}]", depth + 1))
        self._parser.get_event()
        node: Node = Seq(mark, tuple(part.node for part in parts))
        if event.tag not in (None, "!", _CORE + "seq"):
            node = self._refuse(event.tag, mark, path)
        return _sum(node, parts)

    def _mapping(self, event: yaml.MappingStartEvent, mark: Mark, path: str, depth: int) -> _Part:
        parts: list[_Part] = []
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        while not self._parser.check_event(yaml.MappingEndEvent):
            key = self._part(path, depth + 1)
            name = key.node.text if isinstance(key.node, Scalar) else "?"
            inner = f"{path}.{name}" if path else name
            value = self._part(inner, depth + 1)
            parts += key, value
            if not isinstance(key.node, Scalar):
                if not isinstance(key.node, Broken):
                    message = "a key is text, not a list or a mapping"
                    self._problems.add(key.node.mark, path, message)
            elif name == _MERGE and key.node.plain:
                for entry in self._merge(value.node, inner):
                    merged.setdefault(entry.key, entry)
            else:
                self._insert(own, Entry(name, key.node.mark, value.node), path)
        self._parser.get_event()
        node: Node = Map(mark, tuple({**merged, **own}.values()))
        if event.tag not in (None, "!", _CORE + "map"):
            node = self._refuse(event.tag, mark, path)
        return _sum(node, parts)

    def _insert(self, entries: dict[str, Entry], entry: Entry, path: str) -> None:
        first = entries.setdefault(entry.key, entry)
        if first is not entry:
            message = f"duplicate key {shorten(entry.key)!r}: first at line {first.mark.line}"
            self._problems.add(entry.mark, path, message)

    def _merge(self, node: Node, path: str) -> tuple[Entry, ...]:
        """The entries a ``<<`` brings; of several mappings the earlier ones win."""
        match node:
            case Map():
                return node.entries
            case Seq():
                found: dict[str, Entry] = {}
                for item in node.items:
                    for entry in self._merge(item, path):
                        found.setdefault(entry.key, entry)
                return tuple(found.values())
            case Broken():
                return ()
        message = f"'<<' merges a mapping or a list of mappings, not {nodes.describe(node)}"
        self._problems.add(node.mark, path, message)
        return ()


def _sum(node: Node, parts: list[_Part]) -> _Part:
    size = 1 + sum(part.size for part in parts)
    return _Part(node, size, 1 + max((part.depth for part in parts), default=0))
