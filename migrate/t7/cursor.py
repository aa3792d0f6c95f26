"""What the object reader asks of a file's encoding, binary or ascii."""

from __future__ import annotations

import enum
import mmap
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    from migrate.t7.objects import Table

__all__ = ["BOOLEAN", "FUNCTIONS", "NIL", "NO_KEY", "NUMBER", "OBJECT", "STRING", "TABLE"]
__all__ += ["Buffer", "Cursor"]

# Type tags. Functions: 6 has no reference index, 7 was the recursive form before 8.
NIL: Final = 0
NUMBER: Final = 1
STRING: Final = 2
TABLE: Final = 3
OBJECT: Final = 4
BOOLEAN: Final = 5
FUNCTIONS: Final = (6, 7, 8)

Buffer: TypeAlias = bytes | mmap.mmap


class _Nothing(enum.Enum):
    NO_KEY = enum.auto()


NO_KEY: Final = _Nothing.NO_KEY


class Cursor(Protocol):
    """A place in a file, and the scalars that stand there.

    Every method raises a ``T7Error`` with the offset of what it could not read.
    """

    pos: int
    size: int
    long_read: bool

    def at_end(self) -> bool:
        """Nothing is left."""

    def read_int(self) -> int:
        """A C int."""

    def read_long(self) -> int:
        """A C long."""

    def read_longs(self, count: int) -> tuple[int, ...]:
        """``count`` C longs."""

    def read_short(self) -> int:
        """A C short."""

    def read_float(self) -> float:
        """A C float."""

    def read_double(self) -> float:
        """A C double."""

    def read_bytes(self, count: int) -> bytes:
        """``count`` bytes as they are."""

    def read_text(self) -> str:
        """A string: an int and that many bytes."""

    def read_elements(
        self, dtype: np.dtype[Any], count: int, *, is_long: bool
    ) -> np.ndarray[Any, Any]:
        """``count`` elements of a storage, read-only."""

    def check_count(self, count: int, least: int, what: str) -> None:
        """Refuses ``count`` things of at least so many bytes where the file cannot hold them."""

    def read_pairs(self, table: Table, left: int) -> tuple[int, Any]:
        """Reads entries of scalars, see ``BinaryCursor``: how many remain, and the next key."""
