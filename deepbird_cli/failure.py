"""Errors as users see them."""

from __future__ import annotations

import os
import sys
import traceback

__all__ = ["EXIT_INTERNAL_ERROR", "EXIT_USAGE", "explain"]

EXIT_USAGE = 2
EXIT_INTERNAL_ERROR = 70


class Explain:
    """Writes an error to standard error.

    Attributes:
        debug: show tracebacks, too.
    """

    def __init__(self) -> None:
        self.debug = bool(os.environ.get("DEEPBIRD_DEBUG"))

    def __call__(self, error: BaseException) -> bool:
        """Explain ``error``; whether it is one that users can do something about."""
        expected = isinstance(error, ValueError | OSError | KeyError)
        if self.debug:
            traceback.print_exception(error)
        elif expected:
            print(f"deepbird: {_text(error)}", file=sys.stderr)
        else:
            name = type(error).__name__
            print(
                f"deepbird: internal error: {name}: {error}\n"
                "Please report it with the output of the same command with --debug.",
                file=sys.stderr,
            )
        return expected


explain = Explain()


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
