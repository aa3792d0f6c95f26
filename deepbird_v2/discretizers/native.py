"""The compiled core of this package, where it was built."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["core"]


@cache
def _module() -> ModuleType | None:
    try:
        return import_module("deepbird_v2.discretizers._discretizers")
    except ImportError:
        return None


def core() -> ModuleType | None:
    """The compiled core; None if it is absent or DEEPBIRD_NATIVE=0."""
    return None if os.environ.get("DEEPBIRD_NATIVE") == "0" else _module()
