"""TensorFlow's start-up chatter, kept from people's terminals."""

from __future__ import annotations

import os

__all__ = ["quiet_tensorflow"]


def quiet_tensorflow() -> None:
    """Silence TensorFlow's C++ log; only a command may do that, never a library import."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
