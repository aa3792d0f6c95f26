"""The prediction service: Thrift over TCP, framed or buffered, with health and metrics.

The server splits the stream into messages itself and hands raw bytes to the compiled decoder: a
Python object a feature would cost a hundred times as much. ``GET /health`` and ``GET /metrics`` are
answered on the same port: no Thrift message begins with these letters.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from deepbird_v2.data import Batch, DecodeError, decode_requests
from deepbird_v2.data.decode import decode_request
from deepbird_v2.data.responses import encode_batch_response, encode_response
from deepbird_v2.serving import wire
from deepbird_v2.serving.batcher import Batcher
from deepbird_v2.serving.predictor import Predictor

__all__ = ["Service"]

LARGEST = 64 << 20
CHUNK = 1 << 16


class Service:
    """A model behind a port.

    Args:
        predictor: the model; it takes DataRecords.
        most: records that go through the model at a time.
        largest: bytes a message.

    Raises:
        ValueError: the model takes tensors.
    """

    def __init__(self, predictor: Predictor, most: int = 1024, largest: int = LARGEST) -> None:
        if predictor.features is None:
            raise ValueError(f"{predictor.name} takes tensors; the service answers DataRecords")
        self.predictor, self._features, self.largest = predictor, predictor.features, largest
        self._batcher = Batcher(predictor.predict, most)
        self.counts: Counter[str] = Counter()
        self._methods: dict[str, tuple[Callable[[bytes], Batch], Callable[[list[bytes]], bytes]]]
        self._methods = {
            "getPrediction": (
                lambda data: decode_request(data, self._features),
                lambda records: encode_response(records[0]),
            ),
            "getBatchPrediction": (
                lambda data: decode_requests(data, self._features),
                encode_batch_response,
            ),
        }

    @asynccontextmanager
    async def listen(self, host: str, port: int) -> AsyncIterator[asyncio.Server]:
        """Serve while the block runs; port 0 takes a free one."""
        runner = asyncio.create_task(self._batcher.run())
        server = await asyncio.start_server(self._converse, host, port, limit=self.largest)
        try:
            async with server:
                yield server
        finally:
            runner.cancel()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            try:
                first = await reader.readexactly(4)
                if first == b"GET ":
                    await self._http(reader, writer)
                elif first[0] & 0x80:
                    await self._buffered(first, reader, writer)
                else:
                    await self._framed(first, reader, writer)
            except DecodeError:
                self.counts["malformed"] += 1  # and the connection ends: nothing can be told apart
            finally:
                writer.close()

    async def _framed(
        self, size: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            (length,) = struct.unpack(">i", size)
            if not 0 < length <= self.largest:
                raise DecodeError(None, 0, f"a frame of {length} bytes; {self.largest} is the most")
            answer = await self._answer(await reader.readexactly(length))
            if answer is not None:
                writer.writelines((struct.pack(">i", len(answer)), answer))
                await writer.drain()
            size = await reader.readexactly(4)

    async def _buffered(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        data = bytearray(first)
        while True:
            length = wire.size_of(data)
            if length is None:
                chunk = await reader.read(max(CHUNK, len(data)))
                if not chunk or len(data) + len(chunk) > self.largest:
                    return
                data += chunk
                continue
            answer = await self._answer(bytes(data[:length]))
            del data[:length]
            if answer is not None:
                writer.write(answer)
                await writer.drain()

    async def _answer(self, data: bytes) -> bytes | None:
        """The message that answers a message; None for one that wants no answer."""
        message = wire.parse(data)
        begin = time.perf_counter()
        try:
            answer = await self._result(data, message)
        except DecodeError as error:
            self.counts["refused"] += 1
            answer = wire.refusal(message, str(error))
        except Exception as error:  # noqa: BLE001 - one request must not take the others along
            self.counts["failed"] += 1
            text = f"{type(error).__name__}: {error}"
            answer = wire.application_error(message, wire.INTERNAL_ERROR, text)
        self.counts["requests"] += 1
        self.counts["microseconds"] += round((time.perf_counter() - begin) * 1e6)
        return None if message.kind is wire.Kind.ONEWAY else answer

    async def _result(self, data: bytes, message: wire.Message) -> bytes:
        if message.name not in self._methods:
            text = f"unknown method {message.name!r}; methods are {', '.join(self._methods)}"
            return wire.application_error(message, wire.UNKNOWN_METHOD, text)
        decode, encode = self._methods[message.name]
        batch = decode(wire.argument(data, message))
        self.counts["records"] += len(batch)
        scores = await self._batcher.submit(batch) if len(batch) else {}
        return wire.reply(message, encode(self.predictor.encode(scores) if scores else []))

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n")).split(b" ")[0].decode("ascii", "replace")
        pages = {"/health": self._health, "/metrics": self._metrics}
        status, body = ("200 OK", pages[path]()) if path in pages else ("404 Not Found", "\n")
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n{body}".encode())
        await writer.drain()

    def _health(self) -> str:
        return f"ok\nmodel {self.predictor.name}\nbackend {self.predictor.choice}\n"

    def _metrics(self) -> str:
        names = ("requests", "records", "refused", "failed", "malformed")
        lines = [f"deepbird_{name}_total {self.counts[name]}" for name in names]
        lines.append(f"deepbird_batches_total {self._batcher.batches}")
        lines.append(f"deepbird_request_seconds_sum {self.counts['microseconds'] / 1e6:.6f}")
        return "\n".join(lines) + "\n"
