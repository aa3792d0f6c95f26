"""Kinds of values: what a parameter takes, how it is read, and how a message names it."""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from legacy_yaml.nodes import Broken, Map, Node, Scalar, Seq, describe
from legacy_yaml.problems import suggest

if TYPE_CHECKING:
    from collections.abc import Callable

    from legacy_yaml.config import Value
    from legacy_yaml.problems import Problems


class Failed(enum.Enum):
    """The answer of a reader that has reported a problem instead."""

    FAILED = enum.auto()


FAILED = Failed.FAILED
Read: TypeAlias = "Callable[[Node, str, Problems], Value | Failed]"

_PAIR = 2
_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value. ``nested`` names what only the reader of layers can read."""

    wants: str
    read: Read
    nested: str = ""


def number_of(node: Node) -> int | float | None:
    """The number a node holds; ``1e-3`` is one here, though YAML 1.1 calls it text."""
    if not isinstance(node, Scalar) or isinstance(node.value, bool):
        return None
    if isinstance(node.value, int | float):
        return node.value
    if isinstance(node.value, str) and node.plain and _FLOAT.fullmatch(node.value):
        return float(node.value)
    return None


def _mismatch(node: Node, path: str, problems: Problems, wants: str) -> Failed:
    if not isinstance(node, Broken):
        problems.add(node.mark, path, f"wants {wants}, got {describe(node)}")
    return FAILED


def scalar_kind(wants: str, convert: Callable[[Node], Value | Failed]) -> Kind:
    """A kind of single values; ``convert`` answers FAILED for what does not fit."""

    def read(node: Node, path: str, problems: Problems) -> Value | Failed:
        value = convert(node)
        return _mismatch(node, path, problems, wants) if value is FAILED else value

    return Kind(wants, read)


def real(wants: str, fits: Callable[[float], bool] = math.isfinite) -> Kind:
    """Numbers for which ``fits`` holds."""

    def convert(node: Node) -> Value | Failed:
        value = number_of(node)
        return FAILED if value is None or not fits(value) else value

    return scalar_kind(wants, convert)


def whole(wants: str, fits: Callable[[int], bool]) -> Kind:
    """Whole numbers for which ``fits`` holds; 20.0 is one, as every number in Lua is a double."""

    def convert(node: Node) -> Value | Failed:
        value = number_of(node)
        if value is None or not math.isfinite(value) or value != int(value):
            return FAILED
        return int(value) if fits(int(value)) else FAILED

    return scalar_kind(wants, convert)


def choice(*names: str) -> Kind:
    """One of some names."""
    wants = f"one of {', '.join(names)}" if len(names) > 1 else names[0]

    def read(node: Node, path: str, problems: Problems) -> Value | Failed:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return _mismatch(node, path, problems, wants)
        if node.value in names:
            return node.value
        message = f"wants {wants}, got {describe(node)}"
        problems.add(node.mark, path, message, suggest(node.value, names))
        return FAILED

    return Kind(wants, read)


def list_of(kind: Kind, wants: str, *, single: bool = False) -> Kind:
    """Lists; with ``single`` a lone value counts as a list of one."""

    def read(node: Node, path: str, problems: Problems) -> Value | Failed:
        if single and isinstance(node, Scalar) and node.value is not None:
            value = kind.read(node, path, problems)
            return FAILED if isinstance(value, Failed) else (value,)
        if not isinstance(node, Seq):
            return _mismatch(node, path, problems, wants)
        read_all = [kind.read(item, f"{path}[{i}]", problems) for i, item in enumerate(node.items)]
        values = tuple(value for value in read_all if not isinstance(value, Failed))
        return values if len(values) == len(read_all) else FAILED

    return Kind(wants, read)


def _text(node: Node) -> Value | Failed:
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else FAILED


def _bool(node: Node) -> Value | Failed:
    return node.value if isinstance(node, Scalar) and isinstance(node.value, bool) else FAILED


def _pattern(node: Node, path: str, problems: Problems) -> Value | Failed:
    value = TEXT.read(node, path, problems)
    if isinstance(value, str):
        try:
            re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            problems.add(node.mark, path, f"not a regular expression: {error}")
            return FAILED
    return value


def _tensor(node: Node, path: str, problems: Problems) -> Value | Failed:
    """A number, or lists of numbers nested evenly."""
    if not isinstance(node, Seq):
        return NUMBER.read(node, path, problems)
    parts = [_tensor(item, f"{path}[{i}]", problems) for i, item in enumerate(node.items)]
    values = tuple(part for part in parts if not isinstance(part, Failed))
    if len(values) < len(parts):
        return FAILED
    if len({_shape(value) for value in values}) > 1:
        problems.add(node.mark, path, "the rows of this tensor differ in size")
        return FAILED
    return values


def _shape(value: Value) -> tuple[int, ...]:
    if not isinstance(value, tuple):
        return ()
    return (len(value), *(_shape(value[0]) if value else ()))


def _pair(node: Node, path: str, problems: Problems) -> Value | Failed:
    if isinstance(node, Seq) and len(node.items) == _PAIR:
        return KINDS["sizes"].read(node, path, problems)
    return _mismatch(node, path, problems, "a pair [dim1, dim2]")


def _scale(node: Node, path: str, problems: Problems) -> Value | Failed:
    """An upsampling factor, or the output size as {oheight: H, owidth: W}."""
    if not isinstance(node, Map):
        return SIZE.read(node, path, problems)
    sizes: dict[str, Value] = {}
    for entry in node.entries:
        if entry.key not in _OUTPUT_SIZES:
            hint = suggest(entry.key, _OUTPUT_SIZES)
            problems.add(entry.mark, path, f"unknown size {entry.key!r}", hint)
            return FAILED
        value = SIZE.read(entry.value, f"{path}.{entry.key}", problems)
        if isinstance(value, Failed):
            return FAILED
        sizes[entry.key] = value
    return sizes


_OUTPUT_SIZES = ("odepth", "oheight", "owidth")


def _no_activation(node: Node, _path: str, _problems: Problems) -> Value | Failed:
    return () if isinstance(node, Scalar) and node.text == "none" else FAILED


def _only_layers(_node: Node, _path: str, _problems: Problems) -> Failed:
    return FAILED


TEXT = scalar_kind("text (quote what YAML takes for something else)", _text)
BOOL = scalar_kind("true or false", _bool)
NUMBER = real("a number")
SIZE = whole("a whole number of at least 1", lambda n: n >= 1)
COUNT = whole("a whole number of at least 0", lambda n: n >= 0)
PATTERNS = list_of(
    Kind("a name or a regular expression", _pattern),
    "a list of names or regular expressions",
    single=True,
)
NAMES = list_of(TEXT, "a list of names", single=True)
NUMBERS = list_of(NUMBER, "a list of numbers")

KINDS: dict[str, Kind] = {
    "size": SIZE,
    "count": COUNT,
    "int": whole("a whole number", lambda _: True),
    "dim": whole("a whole number of at least 1, or -1", lambda n: n >= 1 or n == -1),
    "index": whole("a whole number other than 0 (Lua counts from 1, negative from the end)", bool),
    "bits": whole("a whole number from 1 to 63", lambda n: 1 <= n <= 63),
    "pool": whole("a whole number of at least 2", lambda n: n >= 2),
    "number": NUMBER,
    "positive": real("a number above 0", lambda x: 0 < x < math.inf),
    "nonnegative": real("a number of at least 0", lambda x: 0 <= x < math.inf),
    "norm": real("a number above 0 or .inf", lambda x: x > 0),
    "probability": real("a probability in [0, 1)", lambda x: 0 <= x < 1),
    "bool": BOOL,
    "text": TEXT,
    "names": NAMES,
    "patterns": PATTERNS,
    "numbers": NUMBERS,
    "sizes": list_of(SIZE, "a list of whole numbers of at least 1"),
    "pair": Kind("a pair [dim1, dim2]", _pair),
    "tensor": Kind("a number or nested lists of numbers", _tensor),
    "scale": Kind("a factor or {oheight: H, owidth: W}", _scale),
    "activations": Kind("an activation or a list of them", _no_activation, nested="activations"),
    "layer": Kind("a layer", _only_layers, nested="layer"),
    "layers": Kind("a list of layers", _only_layers, nested="layers"),
    "reference": Kind("a layer of the model, by alias", _only_layers, nested="reference"),
    "splits": Kind("a list of splits", _only_layers, nested="splits"),
}
