"""Scalars of an ascii file: decimal text, one or more to a line, strings as their bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from migrate.t7.cursor import NO_KEY, Buffer
from migrate.t7.errors import BadLength, BadNumber, Truncated

if TYPE_CHECKING:
    from migrate.t7.objects import Table

__all__ = ["AsciiCursor"]

# The longest number that a C printf writes ("%.17g", "%f" of 1e308) is shorter.
_LONGEST: Final = 400
_TOKEN: Final = re.compile(rb"[ \t\r\n\v\f]*([^ \t\r\n\v\f]{1,%d})" % (_LONGEST + 1))
_SPACE: Final = re.compile(rb"[ \t\r\n\v\f]*")
_OVERLONG: Final = re.compile(rb"\S{%d}" % (_LONGEST + 1))
_BARE_SIGN: Final = re.compile(rb"[+-](?![0-9])")
_INTEGER: Final = re.compile(rb"[+-]?[0-9]{1,20}")
_REAL: Final = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# What the C libraries of Linux, macOS and Windows print for values that are not finite.
_NOT_FINITE: Final = {
    b"inf": "inf",
    b"infinity": "inf",
    b"1.#inf": "inf",
    b"nan": "nan",
    b"nan(ind)": "nan",
    b"nan(snan)": "nan",
    b"1.#qnan": "nan",
    b"1.#snan": "nan",
    b"1.#ind": "nan",
}
_CHUNK: Final = 1 << 22


def parse_real(token: bytes) -> float | None:
    """The number that a C printf wrote, or None when it is no number."""
    if _REAL.fullmatch(token):
        return float(token)
    sign, plain = (b"-", token[1:]) if token[:1] == b"-" else (b"", token.removeprefix(b"+"))
    name = _NOT_FINITE.get(plain.lower())
    return float(sign.decode() + name) if name else None


class AsciiCursor:
    """A place in an ascii file, and the scalars that stand there. See ``BinaryCursor``."""

    def __init__(self, buffer: Buffer, *, pos: int = 0) -> None:
        self.buffer = buffer
        self.size = len(buffer)
        self.pos = pos
        self.long_read = False

    def at_end(self) -> bool:
        """Nothing but white space is left."""
        return _TOKEN.match(self.buffer, self.pos) is None

    def _token(self, what: str) -> bytes:
        match = _TOKEN.match(self.buffer, self.pos)
        if match is None:
            raise Truncated(f"the file ends before {what}", offset=self.size)
        token: bytes = match[1]
        if len(token) > _LONGEST:
            raise BadNumber(f"{_shown(token)} is not {what}", offset=match.start(1))
        self.pos = match.end()
        if self.pos == self.size:
            raise _cut(match.start(1), what)
        return token

    def _integer(self, what: str, bits: int) -> int:
        token = self._token(what)
        if _INTEGER.fullmatch(token):
            value = int(token)
            if -(1 << (bits - 1)) <= value < 1 << (bits - 1):
                return value
        raise self._refused(token, what)

    def _refused(self, token: bytes, what: str) -> BadNumber:
        return BadNumber(f"{_shown(token)} is not {what}", offset=self.pos - len(token))

    def read_int(self) -> int:
        """A C int."""
        return self._integer("an int", 32)

    def read_long(self) -> int:
        """A C long."""
        return self._integer("a long", 64)

    def read_longs(self, count: int) -> tuple[int, ...]:
        """``count`` C longs."""
        self.check_count(count, 2, "run of longs")
        return tuple(self._integer("a long", 64) for _ in range(count))

    def read_short(self) -> int:
        """A C short."""
        return self._integer("a short", 16)

    def read_double(self) -> float:
        """A C double."""
        token = self._token("a number")
        value = parse_real(token)
        if value is None:
            raise self._refused(token, "a number")
        return value

    def read_float(self) -> float:
        """A C float."""
        return float(np.float32(self.read_double()))

    def _skip_newline(self) -> None:
        """Steps over the newline that ends every write."""
        if self.buffer[self.pos : self.pos + 2] == b"\r\n":
            self.pos += 2
        elif self.buffer[self.pos : self.pos + 1] == b"\n":
            self.pos += 1

    def read_bytes(self, count: int) -> bytes:
        """``count`` bytes as they are."""
        if not count:
            return b""
        self._skip_newline()
        start = self.pos
        if count > self.size - start:
            raise Truncated(f"a run of {count} bytes, {self.size - start} are left", offset=start)
        self.pos = start + count
        self._skip_newline()
        return self.buffer[start : start + count]

    def read_text(self) -> str:
        """A string: an int and that many bytes."""
        count = self.read_int()
        if count < 0:
            raise BadLength(f"a string of {count} bytes", offset=self.pos)
        return self.read_bytes(count).decode("utf-8", "surrogateescape")

    def read_elements(
        self,
        dtype: np.dtype[Any],
        count: int,
        *,
        is_long: bool,
    ) -> np.ndarray[Any, Any]:
        """``count`` elements. Bytes and chars stand as they are, everything else as numbers."""
        if dtype.itemsize == 1:
            return np.frombuffer(self.read_bytes(count), dtype)
        self.check_count(count, 2, "storage")
        data = np.empty(count, dtype)
        filled = 0
        while filled < count:
            filled += self._fill(data[filled:])
        data.flags.writeable = False
        return data

    def _fill(self, data: np.ndarray[Any, Any]) -> int:
        """Parses one chunk of the line that stands here; returns how many numbers it gave."""
        start = self.pos = _SPACE.match(self.buffer, self.pos).end()  # type: ignore[union-attr]  # matches anything
        line_end = self.buffer.find(b"\n", start)
        line_end = self.size if line_end < 0 else line_end + 1
        end = min(line_end, start + _CHUNK)
        if end < line_end:
            cut = self.buffer.rfind(b" ", start, end) + 1
            if not cut:
                raise BadNumber("a number of millions of digits", offset=start)
            end = cut
        if start == end:
            raise Truncated(f"{len(data)} more numbers are needed", offset=start)
        chunk = self.buffer[start:end]
        if end == self.size and not chunk[-1:].isspace():
            raise _cut(start + chunk.rfind(b" ") + 1, "a number")
        numbers = _parse_numbers(chunk, data.dtype)
        if numbers is None or len(numbers) > len(data):
            return self._fill_slowly(data, chunk)
        data[: len(numbers)] = numbers
        self.pos = end
        return len(numbers)

    def _fill_slowly(self, data: np.ndarray[Any, Any], chunk: bytes) -> int:
        """As ``_fill``, number by number: for text that NumPy does not know, and for errors."""
        bits = data.dtype.itemsize * 8
        wanted = min(len(data), len(chunk.split()))
        for i in range(wanted):
            data[i] = (
                self.read_double() if data.dtype.kind == "f" else self._integer("an integer", bits)
            )
        return wanted

    def check_count(self, count: int, least: int, what: str) -> None:
        """Refuses ``count`` things where the file cannot hold them, at two bytes each."""
        left = self.size - self.pos
        if count < 0:
            raise BadLength(f"a {what} of {count}", offset=self.pos)
        if count * 2 > left + 1:
            raise Truncated(f"a {what} of {count}, {left} bytes are left", offset=self.pos)

    def read_pairs(self, table: Table, left: int) -> tuple[int, Any]:
        """Leaves every entry to the caller: text has no faster way."""
        return left, NO_KEY


def _parse_numbers(chunk: bytes, dtype: np.dtype[Any]) -> np.ndarray[Any, Any] | None:
    """All the numbers of a chunk, or None where only the slow way tells."""
    chunk = chunk.strip()
    if _OVERLONG.search(chunk) or (dtype.kind == "i" and _BARE_SIGN.search(chunk)):
        return None
    wide = np.dtype(np.int64 if dtype.kind == "i" else np.float64)
    try:
        numbers: np.ndarray[Any, Any] = np.fromstring(chunk, wide, sep=" ")
    except ValueError:
        return None
    if len(numbers) != chunk.count(b" ") + 1:  # to NumPy "1.5.5" is two numbers
        return None
    if dtype.kind == "i":
        limits = np.iinfo(dtype)
        # int64 saturates: its extremes may be numbers that do not fit.
        tight = dtype.itemsize == 8
        low, high = limits.min + tight, limits.max - tight
        return numbers if ((numbers >= low) & (numbers <= high)).all() else None
    # NumPy forgets the sign of -nan.
    if b"-nan" in chunk:
        return None
    return numbers


def _cut(offset: int, what: str) -> Truncated:
    return Truncated(
        f"the file ends inside {what}, or right behind it: Torch writes a newline there",
        offset=offset,
        hint="the file is cut short: fetch it again; if only the newline is lost, add one",
    )


def _shown(token: bytes) -> str:
    text = token[:24].decode("ascii", "backslashreplace")
    return repr(text + "..." if len(token) > 24 else text)
