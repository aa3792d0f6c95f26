"""What can be wrong with a document and where; the one error that carries it all."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        file: The file as it was named by the caller or by an include.
        line: Line, from 1.
        column: Column, from 1.
        path: Where in the document, e.g. ``model[3].modules.FullDenseLayer.outputFeatures``.
        message: What is wrong and what would be right.
        suggestion: A name that exists and resembles the one that does not.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        path = f"{self.path}: " if self.path else ""
        hint = f" (did you mean {self.suggestion!r}?)" if self.suggestion else ""
        return f"{where}{path}{self.message}{hint}"


class ConfigError(ValueError):
    """A document cannot be used; ``problems`` holds every reason, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems, key=_order))
        super().__init__("\n".join(map(str, self.problems)))


class Problems:
    """Collects problems so that one run reports them all."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int, int, str], Problem] = {}

    def add(self, mark: Mark, path: str, message: str, suggestion: str | None = None) -> None:
        """Notes a problem; a template used twice reports its own mistake once."""
        problem = Problem(mark.file, mark.line, mark.column, path, message, suggestion)
        self._found.setdefault((mark.file, mark.line, mark.column, message), problem)

    def fatal(self, mark: Mark, path: str, message: str) -> ConfigError:
        """Notes a problem after which reading on makes no sense.

        Returns:
            The error to raise, with everything found so far.
        """
        self.add(mark, path, message)
        return ConfigError(self._found.values())

    def raise_if_any(self) -> None:
        """Ends the run if anything was found.

        Raises:
            ConfigError: If there is at least one problem.
        """
        if self._found:
            raise ConfigError(self._found.values())


def suggest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` probably stands for, if any."""
    candidates = list(known)
    for candidate in candidates:
        if candidate.lower() == name.lower():
            return candidate
    lowered = {candidate.lower(): candidate for candidate in reversed(candidates)}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return lowered[close[0]] if close else None


def _order(problem: Problem) -> tuple[str, int, int, str, str]:
    return (problem.file, problem.line, problem.column, problem.path, problem.message)
