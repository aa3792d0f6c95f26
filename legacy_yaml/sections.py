"""Everything in a document besides its layers, as tables of keys."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from legacy_yaml.bind import Binder, Bound
from legacy_yaml.config import Calibration, Criterion, Data, Discretizer, Optimization, snake
from legacy_yaml.kinds import BOOL, KINDS, NAMES, PATTERNS, SIZE, TEXT, Kind, choice
from legacy_yaml.nodes import Broken, Entry, Map, Node, Scalar, describe, shorten
from legacy_yaml.problems import suggest
from legacy_yaml.registry import Param, read_signatures

if TYPE_CHECKING:
    from collections.abc import Callable

    from legacy_yaml.problems import Mark, Problems

FEATURE_TYPES = (
    "continuous",
    "binary",
    "discrete",
    "string",
    "sparseBinary",
    "sparseContinuous",
)

_DATA = (
    Param("format", choice("DataRecord", "tensor"), default="DataRecord"),
    Param("compression", choice("none", "gz", "lzo"), default="none"),
    Param("train", NAMES),
    Param("eval", NAMES),
    Param("labels", NAMES),
    Param("weights", NAMES),
    Param("features", Kind("a mapping of feature types", TEXT.read, nested="features")),
)
_FEATURES = tuple(Param(name, PATTERNS) for name in FEATURE_TYPES)
_DISCRETIZER = (
    Param("type", choice("Percentile", "MDL", "Hashing", "PreserveBins"), required=True),
    Param("numBins", SIZE, required=True),
    Param("outputBits", KINDS["bits"], required=True),
)
_CALIBRATION = (Param("type", choice("Isotonic"), required=True), Param("numBins", SIZE))
_RUN = (
    Param("batchSize", SIZE),
    Param("epochs", SIZE),
    Param("maxIterations", SIZE),
    Param("shuffle", BOOL),
)


@cache
def criteria() -> dict[str, tuple[Param, ...]]:
    """The parameters of every criterion by its Torch name."""
    return {criterion.name: criterion.params for criterion in read_signatures("criteria")}


@cache
def methods() -> dict[str, tuple[Param, ...]]:
    """The options of every method of Torch's ``optim``."""
    return {method.name: method.params for method in read_signatures("optim")}


SectionT = TypeVar("SectionT", Data, Discretizer, Calibration, Criterion, Optimization)


class SectionReader:
    """Reads the sections; each answers None if it had to be reported."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def data(self, node: Node, mark: Mark) -> Data | None:
        """The ``data`` section."""
        bound = self._bind("data", _DATA, node, mark, {"features": self._features})
        return _built(Data, bound)

    def discretizer(self, node: Node, mark: Mark) -> Discretizer | None:
        """The ``discretizer`` section."""
        return _built(Discretizer, self._bind("discretizer", _DISCRETIZER, node, mark))

    def calibration(self, node: Node, mark: Mark) -> Calibration | None:
        """The ``calibration`` section."""
        return _built(Calibration, self._bind("calibration", _CALIBRATION, node, mark))

    def criterion(self, node: Node, mark: Mark) -> Criterion | None:
        """The ``criterion`` section: a type alone, or a type with its arguments."""
        if isinstance(node, Scalar) and isinstance(node.value, str):
            node = Map(node.mark, (Entry("type", node.mark, node),))
        named = self._named(node, mark, "criterion", "type", criteria(), r"nn\.")
        if named is None:
            return None
        name, rest = named
        bound = self._bind("criterion", criteria()[name], rest, mark, what=f"nn.{name}")
        own: dict[str, Any] = {
            key: bound.values.pop(key) for key in ("sizeAverage", "weights") if key in bound.values
        }
        inner = Bound({"type": name, **own, "args": bound.values}, sound=bound.sound)
        return _built(Criterion, inner)

    def optimization(self, node: Node, mark: Mark) -> Optimization | None:
        """The ``optimization`` section; the options are those of the method."""
        named = self._named(node, mark, "optimization", "method", methods(), r"optim\.")
        if named is None:
            return None
        name, rest = named
        params = (*methods()[name], *_RUN)
        bound = self._bind("optimization", params, rest, mark, what=f"optim.{name}")
        self._check_optimization(name, bound, mark)
        run = {p.name: bound.values.pop(p.name) for p in _RUN if p.name in bound.values}
        values: dict[str, Any] = {"method": name, "options": bound.values, **run}
        return _built(Optimization, Bound(values, sound=bound.sound))

    def _bind(
        self,
        path: str,
        params: tuple[Param, ...],
        node: Node,
        mark: Mark,
        nested: dict[str, Callable[[Node, str], Any]] | None = None,
        what: str | None = None,
    ) -> Bound:
        if not isinstance(node, Map):
            if not isinstance(node, Broken):
                self._problems.add(node.mark, path, f"wants a mapping, got {describe(node)}")
            return Bound(sound=False)
        return Binder(params, what or f"'{path}'", self._problems, nested).bind(node, mark, path)

    def _named(
        self, node: Node, mark: Mark, path: str, key: str, known: Any, prefix: str
    ) -> tuple[str, Map] | None:
        """The name under ``key``, looked up, and the mapping without it."""
        if not isinstance(node, Map):
            if not isinstance(node, Broken):
                self._problems.add(node.mark, path, f"wants a mapping, got {describe(node)}")
            return None
        name = node.get(key)
        if name is None:
            message = f"missing argument {key!r} (one of {', '.join(known)})"
            self._problems.add(mark, path, message)
            return None
        value = TEXT.read(name, f"{path}.{key}", self._problems)
        if not isinstance(value, str):
            return None
        value = re.sub(f"^{prefix}", "", value)
        if value not in known:
            hint = suggest(value, known)
            rest_of = "" if hint else f"; known: {', '.join(known)}"
            message = f"unknown {key} {shorten(value)!r}{rest_of}"
            self._problems.add(name.mark, f"{path}.{key}", message, hint)
            return None
        rest = tuple(entry for entry in node.entries if entry.key != key)
        return value, Map(node.mark, rest)

    def _features(self, node: Node, path: str) -> Any:
        if not isinstance(node, Map):
            wants = f"a mapping of feature types ({', '.join(FEATURE_TYPES)}) to lists of names"
            if not isinstance(node, Broken):
                self._problems.add(node.mark, path, f"wants {wants}, got {describe(node)}")
            return {}
        return Binder(_FEATURES, "'features'", self._problems).bind(node, node.mark, path).values

    def _check_optimization(self, name: str, bound: Bound, mark: Mark) -> None:
        """What single options cannot say."""
        values = bound.values
        if {"epochs", "maxIterations"} <= bound.given:
            message = "give either 'epochs' or 'maxIterations'"
            self._problems.add(bound.marks["maxIterations"], "optimization", message)
        nesterov = name == "sgd" and values.get("nesterov")
        if nesterov and (not values.get("momentum") or values.get("dampening") != 0):
            message = "nesterov needs a momentum above 0 and 'dampening: 0', as in Torch"
            where = bound.marks.get("nesterov", mark)
            self._problems.add(where, "optimization.nesterov", message)


def _built(section: type[SectionT], bound: Bound) -> SectionT | None:
    """The dataclass for bound values, their names in Python's spelling."""
    if not bound.sound:
        return None
    values: dict[str, Any] = {snake(name): value for name, value in bound.values.items()}
    return section(**values)
