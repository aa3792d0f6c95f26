"""Arguments to parameters: by name or by position, each with what was wrong about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from legacy_yaml.kinds import Failed
from legacy_yaml.nodes import Broken, Entry, Map, Node, Scalar, Seq, describe, shorten
from legacy_yaml.problems import Problems, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from legacy_yaml.config import Value
    from legacy_yaml.problems import Mark
    from legacy_yaml.registry import Param

    Nested = Callable[[Node, str], Value | Failed]


@dataclass(slots=True)
class Bound:
    """Arguments by parameter name.

    Attributes:
        values: The values, defaults included; a parameter without value is absent.
        given: Parameters that were set.
        marks: Where each of them was written.
        sound: Whether every argument was usable and none missing.
    """

    values: dict[str, Value] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    marks: dict[str, Mark] = field(default_factory=dict)
    sound: bool = True


class Binder:
    """Binds the arguments of one call.

    Args:
        params: The parameters, in order.
        what: What they belong to, for messages: ``nn.Linear``.
        problems: Receives what is wrong.
        nested: Readers for kinds that hold layers, by the kind's ``nested`` name.
    """

    def __init__(
        self,
        params: Sequence[Param],
        what: str,
        problems: Problems,
        nested: Mapping[str, Nested] | None = None,
    ) -> None:
        self._params = params
        self._by_name = {name: p for p in params for name in (p.name, *p.aliases)}
        self._what = what
        self._problems = problems
        self._nested = nested or {}
        self._meant: set[str | None] = set()  # what misspelt names probably mean

    def bind(self, args: Node, mark: Mark, path: str) -> Bound:
        """Binds a mapping, a list, or nothing.

        Args:
            args: The arguments.
            mark: Where a missing argument is reported.
            path: The path of the call.
        """
        bound = Bound()
        self._meant.clear()
        match args:
            case Map():
                named = self._named(args, path, bound)
            case Seq():
                named = self._positional(args, path, bound)
            case Scalar(value=None):
                named = {}
            case Broken():
                bound.sound = False
                return bound
            case _:
                self._wrong(args, path, self._usage(args))
                bound.sound = False
                return bound
        for param in self._params:
            node = named.get(param.name)
            if node is None or (isinstance(node, Scalar) and node.value is None):
                self._default(param, mark, path, bound)
            else:
                bound.marks[param.name] = node.mark
                bound.given.add(param.name)
                self._read(param, node, f"{path}.{param.name}", bound)
        return bound

    def _usage(self, args: Node) -> str:
        names = ", ".join(param.name for param in self._params) or "no arguments"
        by = f"a list by position or a mapping by name ({names})"
        return f"the arguments of {self._what} are {by}, not {describe(args)}"

    def _wrong(self, node: Node | Entry, path: str, message: str, hint: str | None = None) -> None:
        self._problems.add(node.mark, path, message, hint)

    def _named(self, args: Map, path: str, bound: Bound) -> dict[str, Node]:
        named: dict[str, Node] = {}
        for entry in args.entries:
            param = self._by_name.get(entry.key)
            if param is None:
                names = ", ".join(param.name for param in self._params) or "none"
                hint = suggest(entry.key, self._by_name)
                self._meant.add(hint)
                key = shorten(entry.key)
                message = f"unknown argument {key!r}" + (
                    "" if hint else f"; {self._what} takes: {names}"
                )
                self._wrong(entry, f"{path}.{key}", message, hint)
                bound.sound = False
            elif param.name in named:
                message = f"{entry.key!r} is another name of {param.name!r}, which is given too"
                self._wrong(entry, path, message)
                bound.sound = False
            else:
                named[param.name] = entry.value
        return named

    def _positional(self, args: Seq, path: str, bound: Bound) -> dict[str, Node]:
        named: dict[str, Node] = {}
        rest = list(args.items)
        for param in self._params:
            if not rest:
                break
            if param.many:
                taken = self._many(param, rest)
                one_list = len(taken) == 1 and _is_list_of(param, taken[0])
                named[param.name] = taken[0] if one_list else Seq(args.mark, taken)
                del rest[: len(taken)]
            else:
                named[param.name] = rest.pop(0)
        if rest:
            names = ", ".join(param.name for param in self._params) or "none"
            message = f"{len(rest)} argument(s) too many; {self._what} takes: {names}"
            self._wrong(rest[0], path, message)
            bound.sound = False
        return named

    def _many(self, param: Param, rest: list[Node]) -> tuple[Node, ...]:
        """The leading arguments a variadic parameter takes: up to one that a later one wants."""
        later = self._params[self._params.index(param) + 1 :]
        if not later:
            return tuple(rest)
        if isinstance(rest[0], Seq):
            return (rest[0],)
        unwanted = (i for i, node in enumerate(rest) if not _fits(param, node))
        return tuple(rest[: next(unwanted, len(rest))])

    def _default(self, param: Param, mark: Mark, path: str, bound: Bound) -> None:
        if param.required:
            bound.sound = False
            if param.name not in self._meant:
                message = f"missing argument {param.name!r} ({param.kind.wants})"
                self._problems.add(mark, path, message)
        elif param.like is not None:
            if param.like in bound.values:
                bound.values[param.name] = bound.values[param.like]
        elif param.default is not None:
            bound.values[param.name] = param.default

    def _read(self, param: Param, node: Node, path: str, bound: Bound) -> None:
        nested = self._nested.get(param.kind.nested)
        if nested is not None:
            value = nested(node, path)
        elif param.many:
            value = self._read_many(param, node, path)
        else:
            value = param.kind.read(node, path, self._problems)
        if isinstance(value, Failed):
            bound.sound = False
        else:
            bound.values[param.name] = value

    def _read_many(self, param: Param, node: Node, path: str) -> Value | Failed:
        if not isinstance(node, Seq) or not node.items:
            if not isinstance(node, Broken):
                message = f"wants a list, each item {param.kind.wants}, got {describe(node)}"
                self._wrong(node, path, message if not isinstance(node, Seq) else "is empty")
            return Failed.FAILED
        read = [
            param.kind.read(item, f"{path}[{i}]", self._problems)
            for i, item in enumerate(node.items)
        ]
        values: Any = tuple(value for value in read if not isinstance(value, Failed))
        return values if len(values) == len(read) else Failed.FAILED


def _is_list_of(param: Param, node: Node) -> bool:
    """Whether variadic arguments came as one list, as Lua's LongStorage, not one by one."""
    if not isinstance(node, Seq) or _fits(param, node):
        return False
    return any(_fits(param, item) for item in node.items)


def _fits(param: Param, node: Node) -> bool:
    """Whether a node is of the parameter's kind, without a word about it."""
    return not isinstance(param.kind.read(node, "", Problems()), Failed)
