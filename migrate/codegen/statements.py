"""What a script is made of: assignments with holes for numbers, and loops over them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

__all__ = ["Block", "CodegenError", "Hole", "Loop", "Part", "Statement", "Var"]


class CodegenError(ValueError):
    """A model cannot be written as a script; says which parts, and why."""


@dataclass(frozen=True)
class Hole:
    """A literal that may differ where everything else repeats.

    Attributes:
        name: of the parameter it is for; names the variable of a loop.
        code: the literal as Python writes it.
    """

    name: str
    code: str


@dataclass(frozen=True)
class Var:
    """A use of a variable that holds a tensor, or tensors."""

    name: str


Part: TypeAlias = "str | Hole | Var"


@dataclass(frozen=True)
class Statement:
    """``target = head(arguments)tail``: one assignment.

    Attributes:
        targets: variables it sets.
        parts: the expression.
    """

    targets: tuple[str, ...]
    parts: tuple[Part, ...]

    @property
    def shape(self) -> object:
        """Equal for two statements that differ in nothing but literals."""
        parts = tuple(("hole", p.name) if isinstance(p, Hole) else p for p in self.parts)
        return (self.targets, parts)

    @property
    def holes(self) -> tuple[Hole, ...]:
        """The literals, in order."""
        return tuple(p for p in self.parts if isinstance(p, Hole))

    @property
    def reads(self) -> tuple[str, ...]:
        """Variables it uses, in order."""
        return tuple(p.name for p in self.parts if isinstance(p, Var))

    def filled(self, codes: list[str]) -> Statement:
        """The statement with other literals."""
        rest = iter(codes)
        parts = tuple(replace(p, code=next(rest)) if isinstance(p, Hole) else p for p in self.parts)
        return replace(self, parts=parts)

    def renamed(self, names: dict[str, str]) -> Statement:
        """The statement with other variables."""
        parts = tuple(
            Var(names.get(p.name, p.name)) if isinstance(p, Var) else p for p in self.parts
        )
        return Statement(tuple(names.get(t, t) for t in self.targets), parts)

    @property
    def expression(self) -> str:
        """The right-hand side."""
        return "".join(
            p if isinstance(p, str) else p.code if isinstance(p, Hole) else p.name
            for p in self.parts
        )


@dataclass(frozen=True)
class Loop:
    """``for variables in values: body``, and what it collects.

    Attributes:
        variables: names that the header binds.
        rows: one tuple of literals an iteration.
        body: the statements.
        source: an expression of tensors that the first variable runs over.
        collects: (list, variable): after each round the variable is appended to the list.
    """

    variables: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    body: Block
    source: Statement | None = None
    collects: tuple[str, str] | None = None

    @property
    def shape(self) -> object:
        """Loops are equal when they run over the same values and do the same."""
        body = tuple((s.shape, getattr(s, "holes", ())) for s in self.body)
        return (self.variables, self.rows, self.source, self.collects, body)

    @property
    def holes(self) -> tuple[Hole, ...]:
        """None: an outer loop repeats this one as it is."""
        return ()

    def filled(self, codes: list[str]) -> Loop:
        """Itself."""
        return self


Block: TypeAlias = "tuple[Statement | Loop, ...]"
