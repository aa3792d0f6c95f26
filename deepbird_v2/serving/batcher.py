"""Requests that wait while the model is busy go through it together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from deepbird_v2.data import Batch

__all__ = ["Batcher"]

Scores = dict[str, np.ndarray[Any, Any]]


class Batcher:
    """Runs a model in one thread, on as many waiting requests at a time as fit.

    Nobody waits for a batch to fill: it holds what arrived while the one before it ran.

    Args:
        predict: scores of a decoded batch.
        most: records a batch; a larger request goes alone.

    Attributes:
        batches: how many ran.
    """

    def __init__(self, predict: Callable[[Batch], Scores], most: int = 1024) -> None:
        self._predict, self._most, self.batches = predict, most, 0
        self._waiting: asyncio.Queue[tuple[Batch, asyncio.Future[Scores]]] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "model")
        self._next: tuple[Batch, asyncio.Future[Scores]] | None = None

    async def submit(self, batch: Batch) -> Scores:
        """Scores of one request's records."""
        answer: asyncio.Future[Scores] = asyncio.get_running_loop().create_future()
        await self._waiting.put((batch, answer))
        return await answer

    async def run(self) -> None:
        """Serve until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            group = await self._gather()
            batches = [batch for batch, _ in group]
            try:
                together = batches[0] if len(batches) == 1 else Batch.concat(batches)
                scores = await loop.run_in_executor(self._thread, self._predict, together)
            except Exception as error:  # noqa: BLE001 - it belongs to those who asked
                for _, answer in group:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            self.batches += 1
            start = 0
            for batch, answer in group:
                part = {k: v[start : start + len(batch)] for k, v in scores.items()}
                start += len(batch)
                if not answer.done():  # the client may be gone
                    answer.set_result(part)

    async def _gather(self) -> list[tuple[Batch, asyncio.Future[Scores]]]:
        first = self._next or await self._waiting.get()
        self._next = None
        group, size = [first], len(first[0])
        while not self._waiting.empty():
            request = self._waiting.get_nowait()
            size += len(request[0])
            if size > self._most:
                self._next = request
                break
            group.append(request)
        return group
