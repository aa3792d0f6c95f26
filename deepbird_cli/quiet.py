"""TensorFlow's start-up chatter, kept from people's terminals."""

from __future__ import annotations

import os
import sys
import tempfile

__all__ = ["quiet_tensorflow"]


def quiet_tensorflow() -> None:
    """Import TensorFlow without its C++ log lines; only a command may do that.

    It writes them to the file descriptor before any setting of its own applies. What it wrote is
    shown after all when the import fails.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), 2)
        try:
            import keras  # noqa: F401 - it imports TensorFlow
        except ImportError:
            hidden.seek(0)
            os.write(terminal, hidden.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
