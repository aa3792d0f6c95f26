"""The closed set of errors of this package. Each says what is wrong, where, and what to do next."""

# ruff: noqa: N818 - the names say what is wrong; that they are errors, the base class says
from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BadLength",
    "BadNumber",
    "BadReference",
    "BadTag",
    "BadTensor",
    "BadValue",
    "NotTorch",
    "T7Error",
    "TooDeep",
    "TooLarge",
    "Truncated",
    "UnknownLayout",
]

_DAMAGED = "the file is damaged, or was not read the way it was written: fetch it again"


class T7Error(ValueError):
    """A ``.t7`` file that cannot be read, or a value that cannot be written.

    Attributes:
        problem: one sentence.
        offset: byte offset in the file, or None.
        where: path inside the object, e.g. ``modules[3].weight``; empty at the top.
        hint: what to do next.
        source: name of the file, or None for bytes.
    """

    advice: ClassVar[str] = _DAMAGED

    def __init__(
        self,
        problem: str,
        *,
        offset: int | None = None,
        where: str = "",
        hint: str | None = None,
        source: str | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.offset = offset
        self.where = where
        self.hint = hint or self.advice
        self.source = source

    @property
    def kind(self) -> str:
        """The name of the class, for reports."""
        return type(self).__name__

    def __str__(self) -> str:
        place = [self.source] if self.source else []
        if self.offset is not None:
            place.append(f"byte {self.offset}")
        if self.where:
            place.append(f"at {self.where}")
        head = ", ".join(place)
        return f"{head}: {self.problem}; {self.hint}" if head else f"{self.problem}; {self.hint}"


class NotTorch(T7Error):
    """The bytes are something else than a Torch file; the message names what."""

    advice = "give a file written by torch.save of Lua Torch7"


class Truncated(T7Error):
    """The file ends inside a value."""

    advice = "the file is cut short: copy or download it again and compare its size"


class BadTag(T7Error):
    """A type tag that no Torch writes, or one that cannot stand there."""


class BadLength(T7Error):
    """A length that is negative, or more than the file can hold."""


class BadNumber(T7Error):
    """Letters where an ascii file must have a number."""


class BadTensor(T7Error):
    """Sizes, strides or offset that reach outside the storage, or a storage of another type."""


class BadReference(T7Error):
    """An index that refers to a value of another kind."""


class UnknownLayout(T7Error):
    """A class that writes itself in its own way, and no layout says how."""


class TooDeep(T7Error):
    """Nested further than the asked-for form can express."""

    advice = "take the part you need first, e.g. value['model']"


class TooLarge(T7Error):
    """More than the format can express."""

    advice = "write it in smaller pieces"


class BadValue(T7Error):
    """A Python value that a ``.t7`` file cannot hold."""

    advice = "see migrate.t7.objects for the values that a file can hold"
