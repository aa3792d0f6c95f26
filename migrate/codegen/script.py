"""Statements as source text, in the repository's own format."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from migrate.codegen.literals import WIDTH, packed, run_lengths, sequence
from migrate.codegen.statements import Block, Loop, Statement

__all__ = ["block_lines", "call_lines", "import_lines"]

STANDARD = ("argparse", "pathlib", "sys", "typing")
OWN = "deepbird_v2"


def import_lines(imports: Mapping[str, set[str]]) -> list[str]:
    """Import statements in isort's order: standard library, packages, our own."""
    groups: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for module in imports:
        group = 0 if module in STANDARD else 2 if module.startswith(OWN) else 1
        groups[group] += _imports_of(module, imports[module])
    lines = ["from __future__ import annotations"]
    for found in groups.values():
        if found:
            plain = sorted(line for line in found if line.startswith("import "))
            lines += ["", *plain, *sorted(line for line in found if line.startswith("from "))]
    return lines


def _imports_of(module: str, names: set[str]) -> list[str]:
    if module == "numpy":
        return ["import numpy as np"]
    plain = [f"import {module}"] if "" in names else []
    wanted = sorted(names - {""})
    if not wanted:
        return plain
    line = f"from {module} import {', '.join(wanted)}"
    each = "".join(f"    {name},\n" for name in wanted)
    return [*plain, line if len(line) <= WIDTH else f"from {module} import (\n{each})"]


def block_lines(block: Block, indent: str) -> Iterator[str]:
    """The lines of a block."""
    for statement in block:
        if isinstance(statement, Loop):
            yield from _loop_lines(statement, indent)
        else:
            yield from call_lines(", ".join(statement.targets) + " = ", statement, indent)


def _loop_lines(loop: Loop, indent: str) -> Iterator[str]:
    if loop.collects:
        yield f"{indent}{loop.collects[0]} = []"
    variables = ", ".join(loop.variables)
    if loop.source is None:
        if not loop.variables:
            yield f"{indent}for _ in range({len(loop.rows)}):"
        else:
            yield from _header(f"for {variables} in ", loop.rows, indent)
    else:
        expression = loop.source.expression
        if loop.rows[0]:
            expression = f"zip({expression}, {_rows(loop.rows)}, strict=True)"
            variables = f"{loop.variables[0]}, {_pattern(loop.variables[1:])}"
        line = f"{indent}for {variables} in {expression}:"
        if len(line) > WIDTH:
            yield from call_lines("parts = ", loop.source, indent)
            line = line.replace(loop.source.expression, "parts")
        yield line
    inner = indent + "    "
    yield from block_lines(loop.body, inner)
    if loop.collects:
        made, variable = loop.collects
        yield f"{inner}{made}.append({variable})"


def _header(head: str, rows: Sequence[tuple[str, ...]], indent: str) -> Iterator[str]:
    values = _rows(rows)
    line = f"{indent}{head}{values}:"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"{indent}{head}("
    yield from packed(values[1:-1].split(", "), indent + "    ")
    yield f"{indent}):  # fmt: skip"


def _rows(rows: Sequence[tuple[str, ...]]) -> str:
    return run_lengths([r[0] if len(r) == 1 else sequence(r, is_tuple=True) for r in rows])


def _pattern(variables: Sequence[str]) -> str:
    return variables[0] if len(variables) == 1 else f"({', '.join(variables)})"


def call_lines(head: str, statement: Statement, indent: str) -> list[str]:
    """An assignment; one that is too long has its first call's arguments on lines of their own."""
    line = f"{indent}{head}{statement.expression}"
    if len(line) <= WIDTH:
        return [line]
    text = statement.expression
    opening = text.index("(")
    closing = _closing(text, opening)
    name, inner, rest = text[:opening], text[opening + 1 : closing], text[closing + 1 :]
    if rest:  # a layer and its call: two statements read better than one that is broken
        layer = Statement(("layer",), (text[: closing + 1],))
        return [*call_lines("layer = ", layer, indent), f"{indent}{head}layer{rest}"]
    deeper = indent + "    "
    if len(deeper + inner) <= WIDTH:
        return [f"{indent}{head}{name}(", deeper + inner, f"{indent})"]
    arguments = [f"{deeper}{argument}," for argument in _arguments(inner)]
    too_long = any(len(argument) > WIDTH for argument in arguments)
    end = ")  # fmt: skip" if too_long else ")"
    if too_long:
        arguments = packed(inner.split(", "), deeper)
    return [f"{indent}{head}{name}(", *arguments, f"{indent}{end}"]


def _closing(text: str, opening: int) -> int:
    return next(i for i, depth in _depths(text) if i > opening and text[i] == ")" and not depth)


def _depths(text: str) -> Iterator[tuple[int, int]]:
    """(position, brackets open after it), strings apart."""
    depth, string = 0, ""
    for i, char in enumerate(text):
        if string:
            string = "" if char == string and text[i - 1] != "\\" else string
        elif char in "\"'":
            string = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        yield i, -1 if string else depth


def _arguments(inner: str) -> list[str]:
    starts = [i for i, depth in _depths(inner) if depth == 0 and inner[i] == ","]
    edges = [-1, *starts, len(inner)]
    return [inner[a + 1 : b].strip() for a, b in itertools.pairwise(edges)]
