"""Reads a config: includes merged, variables filled in, templates written out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from legacy_yaml.expand import Expander
from legacy_yaml.include import Includer
from legacy_yaml.nodes import Broken, Map, Node, Seq, describe, from_plain, scalar
from legacy_yaml.problems import Mark, Problems, suggest
from legacy_yaml.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MACHINERY = ("include", "templates", "variables")


@dataclass(frozen=True, slots=True)
class Document:
    """A document ready to be checked.

    Attributes:
        root: The top-level mapping without ``include``, ``templates`` and ``variables``.
        variables: Every variable's final value.
    """

    root: Map
    variables: Mapping[str, Node]


def read(
    path: Path, text: str | None, overrides: Mapping[str, object], problems: Problems
) -> Document:
    """Reads the file at ``path``, or ``text`` as if that file held it.

    Args:
        path: The file; includes are relative to its folder.
        text: The document, if it is not to be read from the file.
        overrides: Values for variables; text is typed as YAML types unquoted text.
        problems: Receives what is wrong.

    Raises:
        ConfigError: If reading on makes no sense.
    """
    given = {name: _override(name, value) for name, value in overrides.items()}
    includer = Includer(given, problems)
    merged = includer.file(path) if text is None else includer.text(text, path)
    variables = Variables(merged, given, problems)
    expander = Expander(_templates(merged, problems), problems)
    body = tuple(entry for entry in merged.entries if entry.key not in _MACHINERY)
    root = expander.expand(Map(merged.mark, body), variables, "")
    assert isinstance(root, Map)  # noqa: S101  a mapping expands to a mapping
    values = variables.all()
    _check_overrides(given, merged, variables, problems)
    return Document(root, values)


def _override(name: str, value: object) -> Node:
    mark = Mark(f"--set {name}", 1, 1)
    return scalar(mark, value) if isinstance(value, str) else from_plain(value, mark)


def _check_overrides(
    given: Mapping[str, Node], merged: Map, variables: Variables, problems: Problems
) -> None:
    """A variable that is set but neither declared nor used is a misspelt one."""
    node = merged.get("variables")
    declared = {entry.key for entry in node.entries} if isinstance(node, Map) else set()
    for name, value in given.items():
        if name not in declared and name not in variables.used:
            hint = suggest(name, declared)
            problems.add(value.mark, "variables", f"the document has no variable {name!r}", hint)


def _templates(root: Map, problems: Problems) -> dict[str, Node]:
    """The templates by name; one that is no list of layers is kept as broken."""
    node = root.get("templates")
    if not isinstance(node, Map | Broken | None):
        message = f"wants a mapping of names to lists of layers, not {describe(node)}"
        problems.add(node.mark, "templates", message)
    templates: dict[str, Node] = {}
    for entry in node.entries if isinstance(node, Map) else ():
        templates[entry.key] = entry.value
        if not isinstance(entry.value, Seq | Broken):
            message = f"wants a list of layers, not {describe(entry.value)}"
            problems.add(entry.value.mark, f"templates.{entry.key}", message)
            templates[entry.key] = Broken(entry.value.mark)
    return templates
