"""What C++ code writes to the terminal while a block runs, kept from it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """Hide what is written to the file descriptor of stderr; only for a moment, while loading.

    MLIR and LiteRT write there whatever the log settings are. What they have to say about a
    failure is in the exception, too.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with tempfile.TemporaryFile() as hidden:
            os.dup2(hidden.fileno(), 2)
            yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
