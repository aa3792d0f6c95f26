"""Layer classes by name, written as signatures; sites add their own."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING

from legacy_yaml.kinds import KINDS, Failed, Kind, choice
from legacy_yaml.nodes import scalar
from legacy_yaml.problems import Mark, Problems, suggest
from legacy_yaml.width_rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from legacy_yaml.config import Value
    from legacy_yaml.widths import Rule

_SIGNATURE = re.compile(r"(?P<name>[A-Za-z_][\w.]*)\((?P<params>.*)\)", re.DOTALL)
_PARAM = re.compile(
    r"(?P<many>\*?)(?P<names>\w+(?:/\w+)*)\s*:\s*(?P<kind>[\w|]+)(?:\s*=\s*(?P<default>\S+))?"
)
_NIL = "nil"


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a constructor.

    Attributes:
        name: The constructor's own name for it.
        kind: What it takes.
        required: Whether it has no default.
        default: Value when it is not given; None for Lua's ``nil``.
        like: The earlier parameter whose value is the default.
        many: Whether it takes all remaining positional arguments of its kind.
        aliases: Other names it answers to.
    """

    name: str
    kind: Kind
    required: bool = False
    default: Value = None
    like: str | None = None
    many: bool = False
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerClass:
    """A layer class: its name, its parameters in order, and what it does to widths."""

    name: str
    params: tuple[Param, ...]
    width: str | Rule | None = None

    @property
    def is_activation(self) -> bool:
        """Whether it keeps every width and can be built without arguments."""
        return self.width in ("same", "channels") and not any(
            param.required for param in self.params
        )


class Registry:
    """The layer classes that a document may name."""

    def __init__(self, classes: Iterable[LayerClass] = ()) -> None:
        self._classes = {layer.name: layer for layer in classes}

    def add(self, signature: str, *, width: str | Rule | None = None) -> LayerClass:
        """Adds a class.

        Args:
            signature: ``modules.CrossLayer(inputFeatures: size, depth: size = 2)``; the kinds are
                the keys of ``legacy_yaml.kinds.KINDS`` or ``this|that`` for a choice; a default is
                a value, ``nil``, or the name of an earlier parameter; ``lower/l`` gives an alias.
            width: What it does to widths: ``inputFeatures -> outputFeatures``, ``same``, another
                rule of ``legacy_yaml.widths.RULES``, or a function of that form.

        Raises:
            ValueError: If the signature cannot be read or the class exists already.
        """
        return self.add_class(parse(signature, width))

    def add_class(self, layer: LayerClass) -> LayerClass:
        """Adds a class that is built already.

        Raises:
            ValueError: If a class of that name exists, or its width rule does not.
        """
        _check_width(layer)
        if layer.name in self._classes:
            msg = f"layer class {layer.name!r} is registered twice"
            raise ValueError(msg)
        self._classes[layer.name] = layer
        return layer

    def find(self, name: str) -> LayerClass | None:
        """The class called ``name``, or None."""
        return self._classes.get(name)

    def names(self) -> list[str]:
        """Every registered name."""
        return list(self._classes)

    def suggest(self, name: str) -> str | None:
        """The class that ``name`` probably means, also when only the prefix is wrong."""
        base = name.rpartition(".")[2]
        same_base = [known for known in self._classes if known.rpartition(".")[2] == base]
        return same_base[0] if same_base else suggest(name, self._classes)

    def activations(self) -> list[str]:
        """Names, without ``nn.``, of the classes that ``activations`` accepts."""
        nn = (layer for layer in self._classes.values() if layer.name.startswith("nn."))
        return [layer.name.removeprefix("nn.") for layer in nn if layer.is_activation]

    def copy(self) -> Registry:
        """A registry that can be extended without touching this one."""
        return Registry(self._classes.values())


def _check_width(layer: LayerClass) -> None:
    rule = layer.width
    if not isinstance(rule, str) or rule in RULES:
        return
    names = [side.strip() for side in rule.removeprefix("planes ").split("->")]
    known = {"any", "unknown", *(param.name for param in layer.params)}
    if len(names) != len(("needs", "gives")) or not known.issuperset(names):
        msg = f"unknown width rule {rule!r} of {layer.name}; write 'parameter -> parameter' or one"
        msg += f" of: {', '.join(RULES)}"
        raise ValueError(msg)


def parse(signature: str, width: str | Rule | None = None) -> LayerClass:
    """Reads a signature.

    Raises:
        ValueError: If it is not of the form ``Name(param: kind = default, ...)``.
    """
    match = _SIGNATURE.fullmatch(signature.strip())
    if match is None:
        msg = f"not a signature: {signature!r}; write 'modules.Name(param: kind = default, ...)'"
        raise ValueError(msg)
    params: list[Param] = []
    for text in filter(None, (part.strip() for part in match["params"].split(","))):
        params.append(_param(text, [param.name for param in params], signature))
    return LayerClass(match["name"], tuple(params), width)


def _param(text: str, earlier: list[str], signature: str) -> Param:
    match = _PARAM.fullmatch(text)
    name, *aliases = match["names"].split("/") if match else ("",)
    if match is None or name in earlier:
        msg = f"parameter {text!r} in {signature!r} is not 'name: kind = default', or comes twice"
        raise ValueError(msg)
    default = match["default"]
    kind = choice(*match["kind"].split("|")) if "|" in match["kind"] else KINDS.get(match["kind"])
    if kind is None:
        msg = f"unknown kind {match['kind']!r} in {signature!r}; kinds: {', '.join(KINDS)}"
        raise ValueError(msg)
    common = Param(name, kind, many=bool(match["many"]), aliases=tuple(aliases))
    if default is None:
        return replace(common, required=True)
    if default == _NIL:
        return common
    if default in earlier:
        return replace(common, like=default)
    problems = Problems()
    value = kind.read(scalar(Mark(signature, 1, 1), default), name, problems)
    if isinstance(value, Failed):
        msg = f"default {default!r} in {signature!r} is not {kind.wants}"
        raise ValueError(msg)
    return replace(common, default=value)


def read_signatures(name: str) -> Iterator[LayerClass]:
    """The classes of one of the tables in ``signatures/``, which say how they are written."""
    table = files("legacy_yaml").joinpath("signatures", f"{name}.txt").read_text("utf-8")
    lines = (line for line in table.splitlines() if line.strip() and not line.startswith("#"))
    for line in "\n".join(lines).replace("\n ", " ").splitlines():
        signature, _, width = line.partition("=>")
        yield parse(signature, width.strip() or None)
