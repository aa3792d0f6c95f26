"""Progress of long work on standard error, where a person is watching."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["step"]


@contextmanager
def step(what: str, silent: bool = False) -> Iterator[None]:
    """A spinner with ``what`` while the block runs; nothing when not on a terminal."""
    if silent or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{what} ..."):
        yield
