"""Chooses between the compiled core and its Python twin."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

if TYPE_CHECKING:
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray


class Core(Protocol):
    """What both implementations offer; `deepbird_v2.data._fallback` documents it."""

    Plan: Any
    decode_spans: Any
    decode_list: Any
    request_spans: Any

    def name_hashes(self, names: list[bytes]) -> NDArray[np.int64]:
        """Feature ids of UTF-8 names."""

    def lzo1x_decompress(self, data: bytes, size: int) -> bytes:
        """Decompress one LZO1X block of known size."""


@cache
def _native() -> ModuleType | None:
    try:
        return import_module("deepbird_v2.data._native")
    except ImportError:
        return None


def backend() -> Literal["native", "python"]:
    """Which core decodes: the compiled one, unless it is absent or DEEPBIRD_NATIVE=0."""
    return "python" if os.environ.get("DEEPBIRD_NATIVE") == "0" or not _native() else "native"


def core() -> Core:
    """The core that `backend` names."""
    if backend() == "native":
        return cast("Core", _native())
    from deepbird_v2.data import _fallback

    return cast("Core", _fallback)
