"""A document and the files it includes, merged into one mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING

from legacy_yaml.compose import MAX_DEPTH, compose
from legacy_yaml.nodes import Broken, Entry, Map, Node, Scalar, Seq, describe
from legacy_yaml.problems import Mark
from legacy_yaml.text import MAX_BYTES
from legacy_yaml.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from legacy_yaml.problems import Problems


class Includer:
    """Reads documents; every file is read once, however often it is included."""

    def __init__(self, overrides: Mapping[str, Node], problems: Problems) -> None:
        self._overrides = overrides
        self._problems = problems
        self._done: dict[Path, Map] = {}
        self._open: list[Path] = []

    def file(self, path: Path) -> Map:
        """Reads the file the caller named.

        Raises:
            ConfigError: If it cannot be read, or its text not parsed.
        """
        here = Mark(str(path), 1, 1)
        try:
            data = _read(path)
        except OSError as error:
            raise self._problems.fatal(
                here, "", f"cannot read the file: {error.strerror or error}"
            ) from error
        return self._document(data, path, here)

    def text(self, data: str, path: Path) -> Map:
        """Reads text as if ``path`` held it.

        Raises:
            ConfigError: If the text cannot be parsed.
        """
        return self._document(data, path, Mark(str(path), 1, 1))

    def _document(self, data: bytes | str, path: Path, here: Mark) -> Map:
        self._open.append(path.resolve())
        root = self._root(compose(data, str(path), self._problems), here)
        merged = Map(root.mark, ())
        for name in self._names(root):
            merged = merge(merged, self._included(name, path))
        self._open.pop()
        own = tuple(entry for entry in root.entries if entry.key != "include")
        return merge(merged, Map(root.mark, own))

    def _root(self, root: Node | None, here: Mark) -> Map:
        match root:
            case Map():
                return root
            case Seq():
                return Map(root.mark, (Entry("model", root.mark, root),))
            case None:
                raise self._problems.fatal(here, "", "the document is empty: it needs a 'model'")
            case Broken():
                return Map(root.mark, ())
            case Scalar():
                message = f"a document is a mapping or a list of layers, not {describe(root)}"
                raise self._problems.fatal(root.mark, "", message)

    def _names(self, root: Map) -> list[Scalar]:
        """The files named under ``include``, their placeholders filled from this document."""
        node = root.get("include")
        if node is None:
            return []
        scope = Variables(root, self._overrides, self._problems)
        items = node.items if isinstance(node, Seq) else (node,)
        names: list[Scalar] = []
        for index, item in enumerate(items):
            path = f"include[{index}]" if isinstance(node, Seq) else "include"
            filled = scope.fill(item, path, self._problems)
            if isinstance(filled, Scalar) and isinstance(filled.value, str) and filled.value:
                names.append(filled)
            elif not isinstance(filled, Broken):
                message = f"wants the name of a file, not {describe(filled)}"
                self._problems.add(item.mark, path, message)
        return names

    def _included(self, name: Scalar, including: Path) -> Map:
        path = including.parent / name.text
        resolved = path.resolve()
        nothing = Map(name.mark, ())
        if resolved in self._open:
            chain = [*self._open[self._open.index(resolved) :], resolved]
            shown = " -> ".join(file.name for file in chain)
            self._problems.add(name.mark, "include", f"include cycle: {shown}")
            return nothing
        if len(self._open) > MAX_DEPTH:
            raise self._problems.fatal(
                name.mark, "include", f"includes deeper than {MAX_DEPTH} files"
            )
        if resolved not in self._done:
            try:
                data = _read(path)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                message = f"cannot read {name.text!r}: {reason} (looked in {including.parent})"
                self._problems.add(name.mark, "include", message)
                return nothing
            self._done[resolved] = self._document(data, path, Mark(str(path), 1, 1))
        return self._done[resolved]


def merge(below: Map, above: Map) -> Map:
    """Lays one mapping over another: mappings merge by key, anything else is replaced."""
    entries = {entry.key: entry for entry in below.entries}
    for entry in above.entries:
        old = entries.get(entry.key)
        if old is not None and isinstance(old.value, Map) and isinstance(entry.value, Map):
            entry = Entry(entry.key, entry.mark, merge(old.value, entry.value))
        entries[entry.key] = entry
    return Map(above.mark, tuple(entries.values()))


def _read(path: Path) -> bytes:
    """The bytes of a regular file, at most one more than is allowed."""
    if path.exists() and not path.is_file():
        raise OSError(0, "not a regular file")
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)
