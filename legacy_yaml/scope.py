"""Variables by name, and the placeholders ``${var}`` that stand for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from legacy_yaml.nodes import Broken, Node, Scalar, describe, scalar, shorten
from legacy_yaml.problems import suggest
from legacy_yaml.text import VARIABLE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from legacy_yaml.problems import Mark, Problems

MAX_TEXT = 65_536
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
