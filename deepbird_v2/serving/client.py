"""A client that sends encoded records and takes encoded predictions: no object a feature."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Self

from deepbird_v2.data import RecordBuffer
from deepbird_v2.data.backend import core
from deepbird_v2.data.errors import DecodeError
from deepbird_v2.data.responses import encode_batch_response
from deepbird_v2.serving import wire

__all__ = ["Client", "ServiceError"]


class ServiceError(RuntimeError):
    """The service answered with an exception, or not at all."""


class Client:
    """A connection to a prediction service.

    Args:
        host: name or address.
        port: number.
        framed: framed transport; else buffered.
        timeout: seconds that an answer may take.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, host: str, port: int, *, framed: bool = True, timeout: float = 30) -> None:
        self._socket = socket.create_connection((host, port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._framed, self._sequence = framed, 0

    def batch(self, records: Sequence[bytes]) -> RecordBuffer:
        """One encoded prediction a record.

        Args:
            records: encoded DataRecords.

        Raises:
            ServiceError: the service refused the request or went away.
        """
        # A request and a response both hold a list of records as field 1.
        response = self._ask("getBatchPrediction", encode_batch_response(records))
        starts, ends, _, error = core().request_spans(response, False)
        if error is not None:
            raise ServiceError(f"the answer is no BatchPredictionResponse: {error[2]}")
        return RecordBuffer(response, starts, ends)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, method: str, request: bytes) -> bytes:
        self._sequence += 1
        data = wire.call(method, request, self._sequence)
        self._socket.sendall(struct.pack(">i", len(data)) + data if self._framed else data)
        answer = self._frame() if self._framed else self._message()
        message = wire.parse(answer)
        body = answer[message.body :]
        if message.kind is wire.Kind.REPLY and body[:3] == b"\x0c\0\0":
            return body[3:]
        text = body.decode("ascii", errors="ignore")
        raise ServiceError(f"{method}: {''.join(c for c in text if c.isprintable())}")

    def _frame(self) -> bytes:
        (size,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            data += self._some(size - len(data))
        return bytes(data)

    def _message(self) -> bytes:
        data = bytearray()
        while True:
            data += self._some(1 << 16)
            try:
                size = wire.size_of(data)
            except DecodeError as error:
                raise ServiceError(f"the answer is no Thrift message: {error}") from None
            if size is not None:
                return bytes(data)

    def _some(self, most: int) -> bytes:
        data = self._socket.recv(min(most, 1 << 20))
        if not data:
            raise ServiceError("the service closed the connection")
        return data
