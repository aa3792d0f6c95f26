"""The ``variables`` of a document, which may mention one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from legacy_yaml.expand import Expander
from legacy_yaml.nodes import Broken, Map, Node, describe
from legacy_yaml.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from legacy_yaml.problems import Problems

_MAX_CHAIN = 30


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
