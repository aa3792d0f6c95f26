"""Scalars of a binary file: every number at its place in a buffer."""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from migrate.t7.cursor import BOOLEAN, NO_KEY, NUMBER, STRING, Buffer
from migrate.t7.errors import BadLength, Truncated

if TYPE_CHECKING:
    from migrate.t7.objects import Table

__all__ = ["BinaryCursor"]

_RUN: Final = 64


@cache
def _compiled(form: str) -> struct.Struct:
    return struct.Struct(form)


class BinaryCursor:
    """A place in a binary file, and the scalars that stand there.

    Attributes:
        pos: byte offset of the next value.
        long_read: a C long was read, so that the size of long mattered.
    """

    def __init__(self, buffer: Buffer, *, long_size: int, byte_order: str, pos: int = 0) -> None:
        self.buffer = buffer
        self.size = len(buffer)
        self.pos = pos
        self.long_size = long_size
        self.long_read = False
        self._order: Literal["<", ">"] = "<" if byte_order == "little" else ">"
        self._long = "q" if long_size == 8 else "i"
        self._int = _compiled(self._order + "i").unpack_from
        self._two_ints = _compiled(self._order + "ii").unpack_from
        self._double = _compiled(self._order + "d").unpack_from
        self._number_key = _compiled(self._order + "idii").unpack_from
        self._number_value = _compiled(self._order + "id").unpack_from
        self._low = 0 if byte_order == "little" else 3  # place of an int's low byte
        self._tags = _compiled(self._order + "idi").unpack_from
        self._texts: dict[bytes, str] = {}
        record = [("kt", "i4"), ("k", "f8"), ("vt", "i4"), ("v", "f8")]
        self._record = np.dtype([(name, self._order + form) for name, form in record])

    def at_end(self) -> bool:
        """No byte is left."""
        return self.pos >= self.size

    def _need(self, count: int, what: str) -> int:
        """The offset of ``count`` bytes, which are stepped over."""
        pos = self.pos
        left = self.size - pos
        if count > left:
            raise Truncated(f"{what} needs {count} bytes, {left} are left", offset=pos)
        self.pos = pos + count
        return pos

    def read_int(self) -> int:
        """A C int."""
        pos = self.pos
        try:
            (value,) = self._int(self.buffer, pos)
        except struct.error:
            self._need(4, "an int")
            raise
        self.pos = pos + 4
        return value

    def read_longs(self, count: int) -> tuple[int, ...]:
        """``count`` C longs."""
        self.long_read = True
        pos = self._need(count * self.long_size, f"a run of {count} longs")
        return _compiled(f"{self._order}{count}{self._long}").unpack_from(self.buffer, pos)

    def read_long(self) -> int:
        """A C long."""
        return self.read_longs(1)[0]

    def read_double(self) -> float:
        """A C double."""
        return self._number("d", 8)

    def read_float(self) -> float:
        """A C float."""
        return self._number("f", 4)

    def read_short(self) -> int:
        """A C short."""
        return self._number("h", 2)  # type: ignore[return-value]  # "h" unpacks to an int

    def _number(self, form: str, count: int) -> float:
        pos = self._need(count, "a number")
        return _compiled(self._order + form).unpack_from(self.buffer, pos)[0]

    def read_bytes(self, count: int) -> bytes:
        """``count`` bytes."""
        pos = self._need(count, "a run of bytes")
        return self.buffer[pos : pos + count]

    def read_text(self) -> str:
        """A string: an int and that many bytes."""
        start = self.pos
        count = self.read_int()
        end = start + 4 + count
        if count < 0:
            raise BadLength(f"a string of {count} bytes", offset=start)
        if end > self.size:
            left = self.size - start - 4
            raise Truncated(f"a string of {count} bytes, {left} are left", offset=start)
        self.pos = end
        return self.buffer[start + 4 : end].decode("utf-8", "surrogateescape")

    def read_elements(
        self, dtype: np.dtype[Any], count: int, *, is_long: bool
    ) -> np.ndarray[Any, Any]:
        """``count`` elements: a view of the file, a copy only where the file's form differs.

        Args:
            dtype: of the elements, little-endian.
            count: how many.
            is_long: C longs, which a file of 4-byte longs holds in 4 bytes.
        """
        stored = np.dtype(np.int32) if is_long and self.long_size == 4 else dtype
        stored = stored.newbyteorder(self._order)
        pos = self._need(count * stored.itemsize, f"a storage of {count} elements")
        data = np.frombuffer(self.buffer, stored, count, pos)
        return data if stored == dtype else data.astype(dtype)

    def check_count(self, count: int, least: int, what: str) -> None:
        """Refuses ``count`` things of at least so many bytes where the file cannot hold them."""
        if 0 <= count * least <= self.size - self.pos:
            return
        if count < 0:
            raise BadLength(f"a {what} of {count}", offset=self.pos)
        raise Truncated(
            f"a {what} of {count}, {self.size - self.pos} bytes are left", offset=self.pos
        )

    def read_pairs(  # noqa: C901 - one flat loop: calls inside would double its time
        self, table: Table, left: int
    ) -> tuple[int, Any]:
        """Reads entries into ``table`` while keys and values are plain scalars.

        It stops before anything else, a damaged entry included, for the caller to read or refuse.

        Args:
            table: to fill.
            left: how many entries remain.

        Returns:
            How many entries remain now, and the key whose value comes next, or ``NO_KEY``.
        """
        if left >= _RUN and self._numbers_ahead():
            left -= self._read_number_pairs(table, left)
        buffer, pos, size = self.buffer, self.pos, self.size
        two_ints, one_double = self._two_ints, self._double
        number_key, number_value, low = self._number_key, self._number_value, self._low
        # The fields of many objects have the same few names; the keys of a large table are data.
        texts = self._texts if left < _RUN else None
        key: Any = NO_KEY
        try:
            while left:
                key = NO_KEY
                tag = buffer[pos + low]
                if tag == NUMBER:
                    head, number, tag, count = number_key(buffer, pos)
                    if head != NUMBER or number != number:
                        break
                    key = number
                    pos += 12
                elif tag == STRING:
                    head, count = two_ints(buffer, pos)
                    end = pos + 8 + count
                    if head != STRING or count < 0 or end > size:
                        break
                    raw = buffer[pos + 8 : end]
                    if texts is None:
                        text = raw.decode()
                    elif raw in texts:
                        text = texts[raw]
                    else:
                        text = texts[raw] = raw.decode()
                    tag, number = number_value(buffer, end)
                    key = text
                    pos = end
                    if tag == NUMBER:
                        table[key] = number
                        pos += 12
                        left -= 1
                        continue
                    tag, count = two_ints(buffer, pos)
                else:
                    break
                if tag == NUMBER:
                    (table[key],) = one_double(buffer, pos + 4)
                    pos += 12
                elif tag == STRING:
                    end = pos + 8 + count
                    if count < 0 or end > size:
                        break
                    table[key] = buffer[pos + 8 : end].decode()
                    pos = end
                elif tag == BOOLEAN:
                    table[key] = count != 0
                    pos += 8
                else:
                    break
                left -= 1
        except (struct.error, IndexError, UnicodeDecodeError):
            pass  # the end of the file, or bytes that are no UTF-8
        self.pos = pos
        return left, key if left else NO_KEY

    def _numbers_ahead(self) -> bool:
        """Whether a run of number -> number entries begins here, by its first and its last."""
        tags, width = self._tags, self._record.itemsize
        try:
            key, _, value = tags(self.buffer, self.pos)
            if key != NUMBER or value != NUMBER:
                return False
            key, _, value = tags(self.buffer, self.pos + (_RUN - 1) * width)
        except struct.error:
            return False
        return bool(key == NUMBER and value == NUMBER)

    def _read_number_pairs(self, table: Table, left: int) -> int:
        """Reads a run of number -> number entries at once; returns how many there were."""
        count = min(left, (self.size - self.pos) // self._record.itemsize)
        taken, window = 0, _RUN
        while taken < count:
            part = min(window, count - taken)
            run = np.frombuffer(self.buffer, self._record, part, self.pos)
            plain = (run["kt"] == NUMBER) & (run["vt"] == NUMBER) & ~np.isnan(run["k"])
            good = part if plain.all() else int(plain.argmin())
            table.update(zip(run["k"][:good].tolist(), run["v"][:good].tolist(), strict=True))
            self.pos += self._record.itemsize * good
            taken += good
            if good < part:
                break
            window *= 4
        return taken
