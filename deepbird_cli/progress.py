"""Progress of long work on standard error, where a person is watching."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Counter", "step"]


@contextmanager
def step(what: str, silent: bool = False) -> Iterator[None]:
    """A spinner with ``what`` while the block runs; nothing when not on a terminal."""
    if silent or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{what} ..."):
        yield


class Counter:
    """Counts what is done on one line of a terminal.

    Args:
        what: is being done.
        shown: whether a person is watching.
    """

    def __init__(self, what: str, shown: bool) -> None:
        self.what, self.shown, self.done = what, shown, 0

    def __call__(self, _result: object, total: int) -> None:
        """One more of ``total`` is done."""
        self.done += 1
        if self.shown:
            end = "\n" if self.done == total else ""
            print(f"\r{self.what}: {self.done}/{total}", end=end, file=sys.stderr, flush=True)
