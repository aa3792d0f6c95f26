"""Templates and placeholders written out, wherever in a document they stand."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from legacy_yaml.compose import MAX_DEPTH, MAX_NODES
from legacy_yaml.nodes import Broken, Entry, Map, Node, Scalar, Seq, describe, shorten
from legacy_yaml.problems import suggest
from legacy_yaml.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from legacy_yaml.problems import Mark, Problems


class Expander:
    """Writes templates and placeholders out, within a bound on what they may grow to."""

    def __init__(self, templates: Mapping[str, Node], problems: Problems) -> None:
        self._templates = templates
        self._problems = problems
        self._active: list[str] = []
        self._nodes = 0
        self._depth = 0

    def expand(self, node: Node, scope: Scope, path: str) -> Node:
        """``node`` without placeholders and template calls.

        Raises:
            ConfigError: If the result grows beyond its bounds.
        """
        with self._one_more(node.mark, path):
            match node:
                case Scalar():
                    filled = scope.fill(node, path, self._problems)
                    self._charge(filled, path)
                    return filled
                case Seq():
                    return Seq(node.mark, tuple(self._items(node, scope, path, 0)))
                case Map():
                    return self._map(node, scope, path)
                case Broken():
                    return node

    @contextmanager
    def _one_more(self, mark: Mark, path: str) -> Iterator[None]:
        """Counts a node, and a level while its children are visited."""
        self._nodes += 1
        self._depth += 1
        if self._nodes > MAX_NODES:
            message = f"templates and variables expand to more than {MAX_NODES:,} values"
            raise self._problems.fatal(mark, path, message)
        if self._depth > MAX_DEPTH:
            message = f"templates and variables nest deeper than {MAX_DEPTH} levels"
            raise self._problems.fatal(mark, path, message)
        yield
        self._depth -= 1

    def _charge(self, node: Node, path: str) -> None:
        """Counts what a variable brought with it."""
        if isinstance(node, Seq | Map):
            children = node.items if isinstance(node, Seq) else [e.value for e in node.entries]
            for child in children:
                with self._one_more(child.mark, path):
                    self._charge(child, path)

    def _items(self, node: Seq, scope: Scope, path: str, start: int) -> Iterator[Node]:
        index = start
        for item in node.items:
            call = _template_call(item)
            if call is None:
                yield self.expand(item, scope, f"{path}[{index}]")
                index += 1
                continue
            for layer in self._template(call, scope, path, index):
                yield layer
                index += 1

    def _map(self, node: Map, scope: Scope, path: str) -> Node:
        entries: dict[str, Entry] = {}
        for entry in node.entries:
            key: str | None = entry.key
            if "${" in entry.key:
                key = scope.fill_text(entry.key, entry.mark, path, self._problems)
            if key is None:
                continue
            if key in entries:
                self._problems.add(entry.mark, path, f"duplicate key {shorten(key)!r}")
                continue
            inner = f"{path}.{key}" if path else key
            entries[key] = Entry(key, entry.mark, self.expand(entry.value, scope, inner))
        return Map(node.mark, tuple(entries.values()))

    def _template(self, call: Node, scope: Scope, path: str, index: int) -> Iterator[Node]:
        """The layers of one ``template`` call, expanded with its own variables."""
        here = f"{path}[{index}].template"
        found = self._called(call, scope, here)
        if found is None:
            yield Broken(call.mark)
            return
        name, body, given = found
        if name in self._active:
            chain = " -> ".join([*self._active[self._active.index(name) :], name])
            self._problems.add(call.mark, here, f"template recursion: {chain}")
            yield Broken(call.mark)
            return
        values = {
            entry.key: self.expand(entry.value, scope, f"{here}.with.{entry.key}")
            for entry in given.entries
        }
        inner = Scope(values, scope)
        self._active.append(name)
        with self._one_more(call.mark, here):
            yield from self._items(body, inner, path, index)
        self._active.pop()
        for entry in given.entries:
            if entry.key not in inner.used:
                message = f"template {name!r} does not use a variable {entry.key!r}"
                self._problems.add(entry.mark, f"{here}.with", message)

    def _called(self, call: Node, scope: Scope, path: str) -> tuple[str, Seq, Map] | None:
        """Checks a call: the template's name, its layers, and the variables it is given."""
        if isinstance(call, Broken):
            return None
        if not isinstance(call, Map):
            message = f"wants {{name: NAME, with: {{var: value}}}}, not {describe(call)}"
            self._problems.add(call.mark, path, message)
            return None
        for entry in call.entries:
            if entry.key not in ("name", "with"):
                hint = suggest(entry.key, ("name", "with"))
                message = f"unknown key {shorten(entry.key)!r}: a call has 'name' and 'with'"
                self._problems.add(entry.mark, path, message, hint)
        given = call.get("with") or Map(call.mark, ())
        if not isinstance(given, Map):
            self._problems.add(
                given.mark, f"{path}.with", f"wants a mapping, not {describe(given)}"
            )
            given = Map(call.mark, ())
        node = call.get("name")
        name = None if node is None else scope.fill(node, f"{path}.name", self._problems)
        if isinstance(name, Broken):
            return None
        if not isinstance(name, Scalar) or not isinstance(name.value, str):
            self._problems.add(call.mark, path, "wants 'name', the name of a template")
            return None
        body = self._templates.get(name.value)
        if body is None:
            known = ", ".join(self._templates) or "none are defined"
            message = f"unknown template {shorten(name.value)!r}; templates: {shorten(known, 200)}"
            hint = suggest(name.value, self._templates)
            self._problems.add(name.mark, f"{path}.name", message, hint)
            return None
        return (name.value, body, given) if isinstance(body, Seq) else None


def _template_call(item: Node) -> Node | None:
    """The arguments of ``template: ...``, if that is what a list item is."""
    if isinstance(item, Map) and len(item.entries) == 1 and item.entries[0].key == "template":
        return item.entries[0].value
    return None
