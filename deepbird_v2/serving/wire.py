"""Thrift messages as bytes: what surrounds a request and a response on the wire."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from deepbird_v2.data._wire import STRING, STRUCT, Cursor
from deepbird_v2.data.backend import core
from deepbird_v2.data.errors import DecodeError

__all__ = [
    "Kind",
    "Message",
    "application_error",
    "argument",
    "call",
    "parse",
    "refusal",
    "reply",
    "size_of",
]

_STRICT = 0x80010000
_END = b"\0"
UNKNOWN_METHOD, INTERNAL_ERROR, PROTOCOL_ERROR = 1, 6, 7


class Kind(IntEnum):
    """What a message is."""

    CALL = 1
    REPLY = 2
    EXCEPTION = 3
    ONEWAY = 4


@dataclass(frozen=True)
class Message:
    """A message without its arguments.

    Attributes:
        name: of the method.
        kind: what it is.
        sequence: number that the answer repeats.
        body: where its struct begins.
        strict: whether it is versioned, as all but old clients send it.
    """

    name: str
    kind: Kind
    sequence: int
    body: int
    strict: bool = True

    def header(self, kind: Kind) -> bytes:
        """The header of an answer."""
        name = self.name.encode()
        if not self.strict:
            return struct.pack(f">i{len(name)}sBi", len(name), name, kind, self.sequence)
        return struct.pack(f">Ii{len(name)}si", _STRICT | kind, len(name), name, self.sequence)


def parse(data: bytes) -> Message:
    """Read a message's header.

    Raises:
        DecodeError: it is none of the binary protocol.
    """
    cursor = Cursor(data)
    first = cursor.i32("message header")
    if first >= 0:
        cursor.pos = 0
        name, kind = cursor.text(), cursor.u8("message type")
    else:
        if first & 0xFFFF0000 != _STRICT:
            cursor.fail(0, f"protocol version {first & 0xFFFF0000:#x}, expected {_STRICT:#x}")
        name, kind = cursor.text(), first & 0xFF
    if kind not in tuple(Kind):
        cursor.fail(0, f"unknown message type {kind}")
    sequence = cursor.i32("sequence number")
    return Message(name.decode(errors="replace"), Kind(kind), sequence, cursor.pos, first < 0)


def size_of(data: bytes | bytearray) -> int | None:
    """Length of the message that unframed bytes begin with; None while there are too few.

    Raises:
        DecodeError: they can become no message.
    """
    whole = bytes(data)
    cursor = Cursor(whole)
    try:
        message = parse(whole)
        end = _end_of_records(whole, message)
        if end is not None:
            return end
        cursor.pos = message.body
        cursor.skip(STRUCT)
    except DecodeError as error:
        if "remain" in error.reason:  # it says how much is left wherever something is cut off
            return None
        raise
    return cursor.pos


def _end_of_records(data: bytes, message: Message) -> int | None:
    """Where a batch request or response ends, by the compiled walk; None where that cannot tell."""
    start = message.body + 3  # the type and number of the field that holds it
    if message.name != "getBatchPrediction" or data[message.body : message.body + 2] != b"\x0c\0":
        return None
    _, ends, common, error = core().request_spans(data[start:], True)
    if error is not None:
        if "remain" in error[2]:
            raise DecodeError(None, start + error[1], error[2])
        return None
    if not len(ends):
        return None
    tail = max(int(ends[-1]), common[1] if common else 0)
    end = start + tail + len(_END) * 2  # of the request, and of the struct around it
    return end if data[start + tail : end] == _END * 2 else None


def call(name: str, request: bytes, sequence: int = 1) -> bytes:
    """A call whose only argument is an encoded struct."""
    header = Message(name, Kind.CALL, sequence, 0).header(Kind.CALL)
    return header + _field(STRUCT, 1) + request + _END


def argument(data: bytes, message: Message) -> bytes:
    """The encoded struct that a call carries, and what follows it.

    Raises:
        DecodeError: its arguments do not begin with one.
    """
    wanted = _field(STRUCT, 1)
    start = message.body + len(wanted)
    if data[message.body : start] != wanted:
        raise DecodeError(None, message.body, f"{message.name} takes one struct as argument 1")
    return data[start:]


def reply(message: Message, response: bytes) -> bytes:
    """The answer: an encoded struct."""
    return message.header(Kind.REPLY) + _field(STRUCT, 0) + response + _END


def refusal(message: Message, description: str) -> bytes:
    """The declared exception: ``PredictionServiceException``."""
    body = _field(STRUCT, 1) + _field(STRING, 1) + _text(description) + _END + _END
    return message.header(Kind.REPLY) + body


def application_error(message: Message, code: int, description: str) -> bytes:
    """Thrift's own exception, for what the service does not declare."""
    body = _field(STRING, 1) + _text(description) + struct.pack(">Bhi", 8, 2, code) + _END
    return message.header(Kind.EXCEPTION) + body


def _field(kind: int, number: int) -> bytes:
    return struct.pack(">Bh", kind, number)


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">i", len(data)) + data
