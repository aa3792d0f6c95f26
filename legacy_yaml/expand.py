"""Placeholders (``${var}`` anywhere) and templates (``- template: {name: N, with: {...}}``)."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from legacy_yaml.compose import MAX_DEPTH, MAX_NODES
from legacy_yaml.nodes import Broken, Entry, Map, Node, Scalar, Seq, describe, scalar, shorten
from legacy_yaml.problems import suggest
from legacy_yaml.text import VARIABLE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from legacy_yaml.problems import Mark, Problems

MAX_TEXT = 65_536
_MAX_CHAIN = 30
_WHOLE = re.compile(rf"\$\{{({VARIABLE_NAME})\}}")
_PART = re.compile(rf"\$\$\{{|\$\{{(?:({VARIABLE_NAME})\}})?")


class Scope:
    """Variables by name, their values already free of placeholders; remembers which were used."""

    def __init__(self, variables: Mapping[str, Node], outer: Scope | None = None) -> None:
        self._variables = variables
        self._outer = outer
        self.used: set[str] = set()

    def look_up(self, name: str) -> Node | None:
        """The value of a variable in this scope or the ones around it."""
        if name in self._variables:
            self.used.add(name)
            return self._variables[name]
        return self._outer.look_up(name) if self._outer else None

    def names(self) -> set[str]:
        """All variables that are visible here."""
        return {*self._variables, *(self._outer.names() if self._outer else ())}

    def fill(self, node: Node, path: str, problems: Problems) -> Node:
        """Fills the placeholders of one scalar; other nodes are returned as they are."""
        if not isinstance(node, Scalar) or "${" not in node.text:
            return node
        whole = _WHOLE.fullmatch(node.text)
        if whole is None:
            text = self.fill_text(node.text, node.mark, path, problems)
            return Broken(node.mark) if text is None else scalar(node.mark, text, plain=node.plain)
        value = self._value(whole[1], node.mark, path, problems)
        if isinstance(value, Scalar):  # a wrong value is reported where it is used
            return Scalar(node.mark, value.value, value.text, value.plain)
        return value

    def fill_text(self, text: str, mark: Mark, path: str, problems: Problems) -> str | None:
        """Fills the placeholders inside a longer text; ``$${`` stands for ``${``."""
        sound = True

        def replace(match: re.Match[str]) -> str:
            nonlocal sound
            if match[0] == "$${":
                return "${"
            if match[1] is None:
                message = "'${' opens no placeholder: write ${name}, or $${ for the characters"
                problems.add(mark, path, message)
                sound = False
                return ""
            value = self._value(match[1], mark, path, problems)
            if isinstance(value, Scalar) and value.value is not None:
                return value.text
            if not isinstance(value, Broken):
                message = f"${{{match[1]}}} is {describe(value)}: only a scalar fits inside a text"
                problems.add(mark, path, message)
            sound = False
            return ""

        filled = _PART.sub(replace, text)
        if len(filled) > MAX_TEXT:
            raise problems.fatal(
                mark, path, f"placeholders make a text of over {MAX_TEXT:,} characters"
            )
        return filled if sound else None

    def _value(self, name: str, mark: Mark, path: str, problems: Problems) -> Node:
        value = self.look_up(name)
        if value is None:
            hint = suggest(name, self.names())
            problems.add(mark, path, f"undefined variable ${{{shorten(name)}}}", hint)
            return Broken(mark)
        return value


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


class Variables(Scope):
    """The variables of a document: its defaults, overridden; they may mention one another."""

    def __init__(self, root: Map, overrides: Mapping[str, Node], problems: Problems) -> None:
        super().__init__({})
        node = root.get("variables")
        if not isinstance(node, Map | Broken | None):
            problems.add(node.mark, "variables", f"wants a mapping, not {describe(node)}")
        defaults = node.entries if isinstance(node, Map) else ()
        self._raw = {**{entry.key: entry.value for entry in defaults}, **overrides}
        self._problems = problems
        self._expander = Expander({}, problems)
        self._open: list[str] = []
        self._resolved: dict[str, Node] = {}

    def all(self) -> dict[str, Node]:
        """Every variable with its final value."""
        return {name: self._resolve(name) for name in self._raw}

    def names(self) -> set[str]:
        """All variables of the document."""
        return set(self._raw)

    def look_up(self, name: str) -> Node | None:
        """The final value of a variable, or None if there is no such variable."""
        self.used.add(name)
        return self._resolve(name) if name in self._raw else None

    def _resolve(self, name: str) -> Node:
        if name in self._resolved:
            return self._resolved[name]
        node = self._raw[name]
        if name in self._open or len(self._open) > _MAX_CHAIN:
            chain = " -> ".join([*self._open[-5:], name])
            message = f"variables refer to each other in a circle or too deeply: {chain}"
            self._problems.add(node.mark, f"variables.{name}", message)
            return Broken(node.mark)
        self._open.append(name)
        self._resolved[name] = self._expander.expand(node, self, f"variables.{name}")
        self._open.pop()
        return self._resolved[name]
