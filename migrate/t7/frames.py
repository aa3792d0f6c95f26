"""Containers that are being read: what is done of each, and what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from migrate.t7 import paths
from migrate.t7.cursor import NO_KEY

if TYPE_CHECKING:
    from migrate.t7.layouts import Layout
    from migrate.t7.objects import Table
    from migrate.t7.reader import Reader

__all__ = ["Frame", "LayoutFrame", "ListFrame", "TableFrame"]

_LEAST_VALUE: Final = 4  # bytes of the shortest value, nil


class Frame(Protocol):
    """A container that is being filled."""

    def fill(self, reader: Reader) -> bool:
        """Reads on; False when a container inside comes first."""

    def step(self) -> str:
        """The path from the container to what is being read."""


class TableFrame:
    """A table; ``prefix`` is what stands before its keys in a path."""

    __slots__ = ("at_value", "key", "left", "prefix", "table")

    def __init__(self, table: Table, left: int, key: Any, prefix: str) -> None:
        self.table = table
        self.left = left
        self.prefix = prefix
        self.key = key
        self.at_value = key is not NO_KEY

    def step(self) -> str:
        """See ``Frame``."""
        return self.prefix if self.key is NO_KEY else self.prefix + paths.part(self.key)

    def fill(self, reader: Reader) -> bool:
        """See ``Frame``."""
        table, frames, cursor = self.table, reader.frames, reader.cursor
        while self.left:
            if not self.at_value:
                self.left, key = cursor.read_pairs(table, self.left)
                if not self.left:
                    break
                self.key = key
                if key is NO_KEY:
                    self.key = reader.read_key()
                self.at_value = True
                if frames[-1] is not self:
                    return False
            value = reader.start()
            if value is not None:
                table[self.key] = value
            self.at_value = False
            self.left -= 1
            if frames[-1] is not self:
                return False
        return True


class ListFrame:
    """The values 1..n of a ``list`` step."""

    __slots__ = ("count", "done", "fields")

    def __init__(self, fields: Table, count: int) -> None:
        self.fields = fields
        self.count = count
        self.done = 0

    def step(self) -> str:
        """See ``Frame``."""
        return f"[{self.done}]"

    def fill(self, reader: Reader) -> bool:
        """See ``Frame``."""
        while self.done < self.count:
            self.done += 1
            value = reader.start()
            if value is not None:
                self.fields[float(self.done)] = value
            if reader.frames[-1] is not self:
                return False
        return True


class LayoutFrame:
    """An object of a class with its own ``write``."""

    __slots__ = ("fields", "next", "steps")

    def __init__(self, fields: Table, steps: Layout) -> None:
        self.fields = fields
        self.steps = steps
        self.next = 0

    def step(self) -> str:
        """See ``Frame``."""
        name = self.steps[self.next - 1].name if self.next else ""
        return f".{name}" if name else ""

    def fill(self, reader: Reader) -> bool:
        """See ``Frame``."""
        cursor = reader.cursor
        while self.next < len(self.steps):
            step = self.steps[self.next]
            self.next += 1
            if step.kind == "pairs":
                reader.push_entries(self.fields, cursor.read_long())
            elif step.kind == "list":
                count = cursor.read_long()
                cursor.check_count(count, _LEAST_VALUE, "list")
                reader.frames.append(ListFrame(self.fields, count))
            elif step.kind == "object":
                self.fields[step.name] = reader.start()
            elif step.kind == "bytes":
                self.fields[step.name] = cursor.read_bytes(step.count)
            elif step.kind == "string":
                self.fields[step.name] = cursor.read_text()
            else:
                self.fields[step.name] = getattr(cursor, "read_" + step.kind)()
            if reader.frames[-1] is not self:
                return False
        return True
