"""A process of its own for an engine: pinned, one thread, warmed up, started afresh each time."""

from __future__ import annotations

import multiprocessing as mp
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.latency.samples import Segment
from verify.latency.schedule import SystemClock, stretch, warm_up
from verify.latency.target import Target

__all__ = ["Worker", "WorkerError"]

# Read when the libraries load: a second thread collapses when anything else wants the core.
ONE_THREAD = {
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}

OF_THE_PROCESS = {"cpu", "own"}


class WorkerError(ValueError):
    """An engine could not be started, or failed at a request."""


@dataclass(frozen=True)
class _Job:
    target: Target
    requests: Sequence[Sequence[bytes]]
    cpu: int | None


class Worker:
    """An engine in a process.

    Args:
        target: what to start.
        requests: encoded DataRecords, a list a request; they are asked in turn.
        cpu: which processor it may use; None leaves that to the system.

    Attributes:
        service: seconds a request after warming up.
        steady: whether warming up came to an end.
        description: what exactly answers.

    """

    def __init__(
        self, target: Target, requests: Sequence[Sequence[bytes]], cpu: int | None
    ) -> None:
        context = mp.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        job = _Job(target, requests, cpu)
        self._process = context.Process(target=_work, args=(job, theirs), daemon=True)
        with _environment(ONE_THREAD):
            self._process.start()
        theirs.close()
        self.service, self.steady, self.description = 0.0, False, ""

    def warm_up(self) -> None:
        """Wait until the engine is loaded, then have it answer until its pace is steady.

        Raises:
            WorkerError: the engine does not start.
        """
        self.description = self._receive()["description"]
        self._pipe.send(None)
        warm = self._receive()
        self.service, self.steady = warm["service"], warm["steady"]

    def segment(self, first: int, count: int, rate: float) -> Segment:
        """See `verify.latency.schedule.stretch`.

        Args:
            first: number of the first request.
            count: how many, of either sort.
            rate: of the schedule, a second.

        Raises:
            WorkerError: the engine failed.
        """
        self._pipe.send((first, count, rate))
        return self._receive()

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _receive(self) -> Any:
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError):
            raise WorkerError("the engine's process ended without an answer") from None
        if isinstance(answer, str):
            raise WorkerError(answer)
        return answer


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what libraries write to standard error as they load; errors reach the parent anyway."""
    terminal = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def _work(job: _Job, pipe: Any) -> None:
    """The process: open the engine, then measure what it is told to until the pipe closes."""
    clock = SystemClock()
    try:
        with _quiet():
            answer, description = job.target.open()
        if job.cpu is not None and sys.platform == "linux":
            for thread in Path("/proc/self/task").iterdir():
                os.sched_setaffinity(int(thread.name), {job.cpu})
        requests = job.requests

        def call(i: int) -> object:
            return answer(requests[i % len(requests)])

        pipe.send({"description": description})
        pipe.recv()
        pace, steady = warm_up(call, clock)
        pipe.send({"service": pace, "steady": steady})
        while True:
            first, count, rate = pipe.recv()
            found = stretch(call, first, count, rate, clock)
            if job.target.remote:
                found = {m: s for m, s in found.items() if m not in OF_THE_PROCESS}
            pipe.send(found)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return
    except Exception as error:  # noqa: BLE001 - whatever an engine raises, the parent says it
        pipe.send(f"{job.target.where}: {type(error).__name__}: {error}")
