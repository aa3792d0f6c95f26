"""Scalars into bytes, as Torch writes them: binary and ascii."""

from __future__ import annotations

import math
import struct
from typing import Any, Final, Protocol

import numpy as np

from migrate.t7.errors import TooLarge

__all__ = ["AsciiEncoder", "BinaryEncoder", "Encoder"]

_LARGEST_INT: Final = (1 << 31) - 1
_LARGE: Final = 1 << 16


class Encoder(Protocol):
    """Collects a file. Every method raises ``TooLarge`` for what its C type cannot hold."""

    def put_int(self, value: int) -> None:
        """A C int."""

    def put_short(self, value: int) -> None:
        """A C short."""

    def put_longs(self, values: tuple[int, ...]) -> None:
        """C longs in one write."""

    def put_float(self, value: float) -> None:
        """A C float."""

    def put_double(self, value: float) -> None:
        """A C double."""

    def put_bytes(self, value: bytes) -> None:
        """Bytes as they are."""

    def put_elements(self, data: np.ndarray[Any, Any], *, is_long: bool) -> None:
        """The elements of a storage, 1-D."""

    def finish(self) -> list[bytes]:
        """The file, in pieces."""


def _too_large(value: object, what: str) -> TooLarge:
    return TooLarge(f"{value} does not fit {what}")


class BinaryEncoder:
    """Little-endian binary."""

    def __init__(self, long_size: int) -> None:
        self._long_size = long_size
        self._long = "q" if long_size == 8 else "i"
        self._done: list[bytes] = []
        self._open = bytearray()

    def _pack(self, form: str, what: str, *values: float) -> None:
        try:
            self._open += struct.pack("<" + form, *values)
        except (struct.error, OverflowError):
            raise _too_large(", ".join(map(str, values)), what) from None

    def put_int(self, value: int) -> None:
        """A C int."""
        self._pack("i", "an int", value)

    def put_short(self, value: int) -> None:
        """A C short."""
        self._pack("h", "a short", value)

    def put_longs(self, values: tuple[int, ...]) -> None:
        """C longs."""
        self._pack(f"{len(values)}{self._long}", f"a long of {self._long_size} bytes", *values)

    def put_float(self, value: float) -> None:
        """A C float."""
        self._pack("f", "a float", value)

    def put_double(self, value: float) -> None:
        """A C double."""
        self._pack("d", "a double", value)

    def put_bytes(self, value: bytes) -> None:
        """Bytes as they are."""
        self._open += value

    def put_elements(self, data: np.ndarray[Any, Any], *, is_long: bool) -> None:
        """The elements of a storage; a large one is not copied."""
        if is_long and self._long_size == 4:
            limits = np.iinfo(np.int32)
            if data.size and (data.min() < limits.min or data.max() > limits.max):
                raise _too_large("an element", "a long of 4 bytes")
            data = data.astype("<i4")
        data = np.ascontiguousarray(data, data.dtype.newbyteorder("<"))
        if data.nbytes < _LARGE:
            self._open += data.tobytes()
            return
        self._done += [bytes(self._open), data.data.cast("B")]  # type: ignore[list-item]  # joins and writes as bytes do
        self._open = bytearray()

    def finish(self) -> list[bytes]:
        """The file, in pieces."""
        self._done.append(bytes(self._open))
        self._open = bytearray()
        return self._done


class AsciiEncoder:
    """Decimal text, one write to a line."""

    def __init__(self) -> None:
        self._done: list[bytes] = []

    def _line(self, text: str) -> None:
        self._done.append(text.encode("ascii") + b"\n")

    def put_int(self, value: int) -> None:
        """A C int."""
        if not -_LARGEST_INT <= value <= _LARGEST_INT:
            raise _too_large(value, "an int")
        self._line(str(value))

    def put_short(self, value: int) -> None:
        """A C short."""
        if not -(1 << 15) <= value < 1 << 15:
            raise _too_large(value, "a short")
        self._line(str(value))

    def put_longs(self, values: tuple[int, ...]) -> None:
        """C longs on one line; nothing at all for none."""
        for value in values:
            if not -(1 << 63) <= value < 1 << 63:
                raise _too_large(value, "a long")
        if values:
            self._line(" ".join(map(str, values)))

    def put_float(self, value: float) -> None:
        """A C float."""
        self._line(_real(value, 9))

    def put_double(self, value: float) -> None:
        """A C double."""
        self._line(_real(value, 17))

    def put_bytes(self, value: bytes) -> None:
        """Bytes as they are, and a newline unless there are none."""
        if value:
            self._done.append(value + b"\n")

    def put_elements(self, data: np.ndarray[Any, Any], *, is_long: bool) -> None:
        """The elements of a storage on one line; bytes and chars as they are."""
        if data.itemsize == 1:
            self.put_bytes(data.tobytes())
        elif data.size and data.dtype.kind == "i":
            self._line(" ".join(map(str, data.tolist())))
        elif data.size:
            digits = 17 if data.itemsize == 8 else 9
            if np.isnan(data).any():
                self._line(" ".join(_real(x, digits) for x in data.tolist()))
            else:
                self._line(" ".join(map(f"%.{digits}g".__mod__, data.tolist())))

    def finish(self) -> list[bytes]:
        """The file, in pieces."""
        return self._done


def _real(value: float, digits: int) -> str:
    """What C's printf gives for ``%.<digits>g``: it shows the sign of nan, Python does not."""
    if math.isnan(value):
        return "-nan" if math.copysign(1.0, value) < 0 else "nan"
    return f"{value:.{digits}g}"
