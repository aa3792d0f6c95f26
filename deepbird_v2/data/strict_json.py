"""JSON that says one thing: no key twice, no NaN, UTF-8."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["loads"]


def loads(content: bytes, where: str, error: type[ValueError], constant: str) -> Any:
    """Read a document.

    Args:
        content: the bytes.
        where: what to call them in errors.
        error: what to raise, a class of its own.
        constant: why NaN and the infinities, which JSON does not know, are refused.

    Raises:
        error: it is no such document; says what is wrong.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = next(key for at, (key, _) in enumerate(pairs) if key in dict(pairs[:at]))
            raise error(f"key {twice!r} comes twice")
        return found

    def refused(name: str) -> float:
        raise error(f"{name} is {constant}")

    try:
        return json.loads(content.decode("utf-8"), parse_constant=refused, object_pairs_hook=once)
    except error as problem:
        raise error(f"{where}: {problem}") from None
    except (ValueError, RecursionError) as problem:
        raise error(f"{where}: not JSON ({problem})") from None
