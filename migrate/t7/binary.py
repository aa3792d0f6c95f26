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

# Entries of one shape are read at once if so many follow; after others the search begins again.
_RUN: Final = 64
_BETWEEN_RUNS: Final = 1024
_LONGEST_IN_RUN: Final = 32
_NUMBER_SHAPE: Final = -1


@cache
def _compiled(form: str) -> struct.Struct:
    return struct.Struct(form)


@cache
def _record(order: str, key: int, value: int) -> np.dtype[Any]:
    """One entry of a table: tag and length, key, tag and length, value."""
    fields = []
    for head, name, length in (("head", "key", key), ("middle", "value", value)):
        number = length == _NUMBER_SHAPE
        fields.append((head, order + ("i4" if number else "i8")))
        fields.append((name, order + "f8" if number else f"V{length}"))
    return np.dtype(fields)


def _column(values: np.ndarray[Any, Any]) -> list[Any]:
    """Keys or values of a run: floats, or texts of one length."""
    plain = values.tolist()
    return plain if values.dtype.kind == "f" else [raw.decode() for raw in plain]


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
        self._texts: dict[bytes, str] = {}

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

    def read_pairs(self, table: Table, left: int) -> tuple[int, Any]:
        """Reads entries into ``table`` while keys and values are plain scalars.

        It stops before anything else, a damaged entry included, for the caller to read or refuse.

        Args:
            table: to fill.
            left: how many entries remain.

        Returns:
            How many entries remain now, and the key whose value comes next, or ``NO_KEY``.
        """
        while left >= _RUN:
            left -= self._read_run(table, left)
            part = min(left, _BETWEEN_RUNS)
            rest, key = self._read_scalars(table, part)
            left -= part - rest
            if rest:
                return left, key
        return self._read_scalars(table, left)

    def _read_scalars(  # noqa: C901 - one flat loop: calls inside would double its time
        self, table: Table, left: int
    ) -> tuple[int, Any]:
        """As ``read_pairs``, entry by entry."""
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
                    start = pos + 8
                    end = start + count
                    if head != STRING or not start <= end <= size:
                        break
                    raw = buffer[start:end]
                    if texts is None:
                        text = raw.decode()
                    elif raw in texts:
                        text = texts[raw]
                    else:
                        text = texts[raw] = raw.decode()
                    tag, number = number_value(buffer, end)
                    if tag == NUMBER:
                        table[text] = number
                        pos = end + 12
                        left -= 1
                        continue
                    tag, count = two_ints(buffer, end)
                    key = text
                    pos = end
                else:
                    break
                if tag == NUMBER:
                    (table[key],) = one_double(buffer, pos + 4)
                    pos += 12
                elif tag == STRING:
                    start = pos + 8
                    end = start + count
                    if not start <= end <= size:
                        break
                    table[key] = buffer[start:end].decode()
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

    def _shape_at(self, pos: int) -> tuple[int, int] | None:
        """The lengths of the key and the value of an entry; None if they are no short scalars."""
        shape = []
        try:
            for _ in range(2):
                tag, count = self._two_ints(self.buffer, pos)
                if tag == NUMBER:
                    shape.append(_NUMBER_SHAPE)
                    pos += 12
                elif tag == STRING and 0 < count <= _LONGEST_IN_RUN:
                    shape.append(count)
                    pos += 8 + count
                else:
                    return None
        except struct.error:
            return None
        return shape[0], shape[1]

    def _read_run(self, table: Table, left: int) -> int:
        """Reads entries of one shape at once, if many follow; returns how many there were."""
        shape = self._shape_at(self.pos)
        if shape is None:
            return 0
        record = _record(self._order, *shape)
        if self._shape_at(self.pos + (_RUN - 1) * record.itemsize) != shape:
            return 0
        first = np.frombuffer(self.buffer, record, 1, self.pos)[0]
        count = min(left, (self.size - self.pos) // record.itemsize)
        taken, window = 0, _RUN
        while taken < count:
            part = min(window, count - taken)
            run = np.frombuffer(self.buffer, record, part, self.pos)
            same = (run["head"] == first["head"]) & (run["middle"] == first["middle"])
            if shape[0] == _NUMBER_SHAPE:
                same &= ~np.isnan(run["key"])
            good = part if same.all() else int(same.argmin())
            try:
                keys, values = (_column(run[name][:good]) for name in ("key", "value"))
                table.update(zip(keys, values, strict=True))
            except UnicodeDecodeError:
                break
            self.pos += record.itemsize * good
            taken += good
            if good < part:
                break
            window *= 4
        return taken
