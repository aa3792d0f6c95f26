"""Repeated statements become loops."""

from __future__ import annotations

from collections.abc import Sequence

from migrate.codegen.statements import Block, Loop, Statement, Var

__all__ = ["roll"]

LONGEST_BODY = 24
MANY_VARIABLES = 4
BRANCH, BRANCHES = "branch", "branches"


def roll(block: Sequence[Statement | Loop]) -> Block:
    """The block with runs of equal shape as loops, and equal branches as one."""
    tensors = {name for s in block if isinstance(s, Statement) for name in s.targets}
    return _runs(_branches(tuple(block), tensors), tensors)


# --- the same again and again ------------------------------------------------------------------


def _runs(block: Block, tensors: set[str]) -> Block:
    """Runs as loops, then runs of those."""
    rolled = _runs_once(block, tensors)
    return rolled if len(rolled) == len(block) else _runs(rolled, tensors)


def _runs_once(block: Block, tensors: set[str]) -> Block:
    shapes = [statement.shape for statement in block]
    result: list[Statement | Loop] = []
    at = 0
    while at < len(block):
        period, count = _best(shapes, at)
        if count == 1:
            result.append(block[at])
            at += 1
            continue
        rounds = [block[at + i * period : at + (i + 1) * period] for i in range(count)]
        loop = _loop(rounds, tensors)
        result += (
            [loop] if len(loop.variables) <= MANY_VARIABLES else block[at : at + period * count]
        )
        at += period * count
    return tuple(result)


def _best(shapes: Sequence[object], at: int) -> tuple[int, int]:
    """(period, rounds) from here that saves most lines; (1, 1) where none does."""
    best, saved = (1, 1), 0
    for period in range(1, min(LONGEST_BODY, (len(shapes) - at) // 2) + 1):
        count = 1
        first = shapes[at : at + period]
        while shapes[at + count * period : at + (count + 1) * period] == first:
            count += 1
        gain = (count - 1) * period - 1  # the loop's own line
        if count > 1 and gain > saved:
            best, saved = (period, count), gain
    return best


def _loop(rounds: Sequence[Block], tensors: set[str]) -> Loop:
    """One loop over rounds of equal shape: what differs becomes a variable."""
    columns = [[hole.code for s in body for hole in s.holes] for body in rounds]
    names = [hole.name for s in rounds[0] for hole in s.holes]
    variables: dict[tuple[str, ...], str] = {}  # values by round → variable
    filled = []
    for name, *values in zip(names, *columns, strict=True):
        if len(set(values)) == 1:
            filled.append(values[0])
            continue
        key = tuple(values)
        if key not in variables:
            variables[key] = _free(name, {*variables.values(), *tensors})
        filled.append(variables[key])
    rows = tuple(zip(*variables, strict=True)) if variables else ((),) * len(rounds)
    return Loop(tuple(variables.values()), rows, _fill(rounds[0], filled))


def _free(name: str, taken: set[str]) -> str:
    n, free = 1, name
    while free in taken:
        n += 1
        free = f"{name}_{n}"
    return free


def _fill(body: Block, codes: list[str]) -> Block:
    rest = list(codes)
    filled: list[Statement | Loop] = []
    for statement in body:
        count = len(statement.holes)
        filled.append(statement.filled(rest[:count]))
        del rest[:count]
    return tuple(filled)


# --- the same in every branch --------------------------------------------------------------------


def _branches(block: Block, tensors: set[str]) -> Block:
    """Branches that are equal but for their variables, up to where they meet, as one loop."""
    for join, statement in enumerate(block):
        if not isinstance(statement, Statement):
            continue
        found = _split(block, join, statement, tensors)
        if found:
            start, loop = found
            joined = _collected(statement, loop)
            return _branches((*block[:start], loop, joined, *block[join + 1 :]), tensors)
    return block


def _split(
    block: Block, join: int, statement: Statement, tensors: set[str]
) -> tuple[int, Loop] | None:
    """Where the branches that meet in a statement begin, and their loop."""
    names = _listed(statement)
    if len(names) < 2 or len(set(names)) < len(names) or tensors & {BRANCH, BRANCHES}:
        return None
    length = 0
    while join - length > 0 and _sets(block[join - length - 1], names[-1]):
        length += 1
    start = join - length * len(names)
    if not length or start < 1:
        return None
    bodies = []
    for i, name in enumerate(names):
        part = block[start + i * length : start + (i + 1) * length]
        if not all(_sets(s, name) and set(_reads(s)) <= {name} for s in part):
            return None
        bodies.append(tuple(s.renamed({name: BRANCH}) for s in part if isinstance(s, Statement)))
    source = block[start - 1]
    same = all(_shape(body) == _shape(bodies[0]) for body in bodies)
    if not same or not isinstance(source, Statement) or source.targets != names:
        return None
    loop = _loop(bodies, tensors)
    tower = Loop((BRANCH, *loop.variables), loop.rows, loop.body, source, (BRANCHES, BRANCH))
    return start - 1, tower


def _listed(statement: Statement) -> tuple[str, ...]:
    """Variables in the one list that a statement takes."""
    parts = list(statement.parts)
    if "[" not in parts or "]" not in parts[parts.index("[") :]:
        return ()
    inner = parts[parts.index("[") + 1 : parts.index("]")]
    plain = all(isinstance(p, Var) or p == ", " for p in inner)
    return tuple(p.name for p in inner if isinstance(p, Var)) if plain else ()


def _collected(statement: Statement, loop: Loop) -> Statement:
    """The meeting statement, taking the list that the loop made."""
    first, parts = statement.parts.index("["), statement.parts
    last = parts.index("]", first)
    made = loop.collects[0] if loop.collects else ""
    return Statement(statement.targets, (*parts[:first], Var(made), *parts[last + 1 :]))


def _sets(statement: Statement | Loop, name: str) -> bool:
    return isinstance(statement, Statement) and statement.targets == (name,)


def _reads(statement: Statement | Loop) -> tuple[str, ...]:
    return statement.reads if isinstance(statement, Statement) else ()


def _shape(body: Block) -> list[object]:
    return [statement.shape for statement in body]
