"""Python values as source text in the repository's format."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from migrate.codegen.statements import CodegenError

__all__ = ["literal", "packed", "run_lengths"]

WIDTH = 100
LARGEST_CONSTANT = 64
RUN = 6  # so many values are worth a product
LONGEST_PERIOD = 8


def literal(value: Any) -> str:
    """Source text that evaluates to ``value``.

    Raises:
        CodegenError: it has none, or too much of it.
    """
    match value:
        case None | bool() | int() | str():
            return quoted(value) if isinstance(value, str) else repr(value)
        case float():
            return repr(value) if math.isfinite(value) else f'float("{value}")'
        case tuple() | list():
            return sequence([literal(entry) for entry in value], isinstance(value, tuple))
        case dict():
            return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
        case slice():
            return f"slice({literal(value.start)}, {literal(value.stop)}, {literal(value.step)})"
        case np.generic():
            return literal(value.item())
        case np.ndarray() if value.size <= LARGEST_CONSTANT:
            return f"np.array({literal(value.tolist())}, {quoted(str(value.dtype))})"
    if value is Ellipsis:
        return "..."
    size = f" of shape {value.shape}" if hasattr(value, "shape") else ""
    raise CodegenError(f"a {type(value).__name__}{size} has no short literal")


def sequence(codes: Sequence[str], is_tuple: bool) -> str:
    """A list or a tuple of literals."""
    if not is_tuple:
        return f"[{', '.join(codes)}]"
    return f"({codes[0]},)" if len(codes) == 1 else f"({', '.join(codes)})"


def quoted(text: str) -> str:
    """A string with double quotes; raw where that saves backslashes."""
    if "\\" in text and '"' not in text and not text.endswith("\\") and text.isprintable():
        return f'r"{text}"'
    inner = repr("'" + text)[2:-1]  # the quote in front makes repr choose double quotes
    return f'"{inner}"' if '"' not in text else repr(text)


def run_lengths(codes: Sequence[str]) -> str:
    """A sequence of literals; what repeats in it as products."""
    pieces: list[str] = []
    at = 0
    while at < len(codes):
        period, count = _repeats(codes, at)
        inner = ", ".join(codes[at : at + period])
        pieces.append(f"*[{inner}] * {count}" if count > 1 else inner)
        at += period * count
    if len(pieces) == 1 and pieces[0].startswith("*"):
        return pieces[0].removeprefix("*")
    return sequence(pieces, is_tuple=True)


def _repeats(codes: Sequence[str], at: int) -> tuple[int, int]:
    """(period, rounds) that cover most from here; (1, 1) where a product would be no shorter."""
    best = (1, 1)
    for period in range(1, LONGEST_PERIOD + 1):
        count = 1
        while codes[at + count * period : at + (count + 1) * period] == codes[at : at + period]:
            count += 1
        if count > 1 and period * count >= RUN and period * count > best[0] * best[1]:
            best = (period, count)
    return best


def packed(codes: Sequence[str], indent: str) -> list[str]:
    """Literals separated by commas, as many on a line as fit."""
    lines, line = [], indent
    for code in codes:
        if len(line) + len(code) + 1 > WIDTH and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += f"{code}, "
    return [*lines, line.rstrip()]
