"""One layer of a config becomes one Torch object: arguments bound, class looked up, object made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from migrate.construct.objects import lua, make
from migrate.t7.objects import TorchObject

if TYPE_CHECKING:
    from legacy_yaml.config import Layer
    from legacy_yaml.problems import Mark
    from legacy_yaml.registry import Param

__all__ = ["Call", "ConstructError", "Constructor", "builds", "construct", "constructible", "new"]


class ConstructError(ValueError):
    """A layer of the config cannot be built; says which, where and why."""


@dataclass(frozen=True)
class Call:
    """One call of a constructor.

    Attributes:
        args: value of every parameter, defaults filled in; what is nil is absent.
        given: the parameters that the caller set.
        children: modules that a container or decorator is given.
        towers: modules of each branch of a split layer.
    """

    args: Mapping[str, Any]
    given: frozenset[str] = frozenset()
    children: tuple[TorchObject, ...] = ()
    towers: tuple[tuple[TorchObject, ...], ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.args[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The argument, or ``default`` where it is nil."""
        return self.args.get(name, default)

    def ints(self, names: str) -> tuple[int, ...]:
        """The whole numbers under some names, separated by blanks."""
        return tuple(int(self.args[name]) for name in names.split())

    def fields(self, names: str) -> dict[str, Any]:
        """Fields that repeat arguments.

        Args:
            names: separated by blanks: ``kW``; ``val<value`` for a parameter of another name;
                ``inplace?`` for what Torch leaves nil unless it was given.
        """
        found = {}
        for entry in names.split():
            name, _, parameter = entry.removesuffix("?").partition("<")
            parameter = parameter or name
            wanted = parameter in self.given or not entry.endswith("?")
            if wanted and self.args.get(parameter) is not None:
                found[name] = lua(self.args[parameter])
        return found


Build = Callable[[Call], dict[str, Any]]
_BUILDERS: dict[str, Build] = {}


def builds(*classes: str) -> Callable[[Build], Build]:
    """Register what the constructor of Torch classes puts into a new object's fields."""

    def register(build: Build) -> Build:
        for name in classes:
            if name in _BUILDERS:
                raise ConstructError(f"two constructors for {name}")
            _BUILDERS[name] = build
        return build

    return register


def constructible() -> frozenset[str]:
    """Classes that can be built from a config."""
    return frozenset(_BUILDERS)


def new(class_name: str, *args: Any, children: tuple[TorchObject, ...] = ()) -> TorchObject:
    """A Torch object from arguments by position, as ``nn.Linear(7, 5)`` in Lua; None is nil."""
    params = _parameters(class_name)
    given = {p.name: arg for p, arg in zip(params, args, strict=False) if arg is not None}
    values: dict[str, Any] = {}
    for param in params:
        default = values.get(param.like) if param.like else param.default
        value = given.get(param.name, default)
        if value is not None:
            values[param.name] = value
    return make(class_name, _BUILDERS[class_name](Call(values, frozenset(given), children)))


@cache
def _parameters(class_name: str) -> tuple[Param, ...]:
    from legacy_yaml import build_registry

    found = build_registry().find(class_name)
    if found is None:
        raise ConstructError(f"{class_name} is no layer class")
    return found.params


def construct(layer: Layer) -> TorchObject:
    """The Torch object of one layer of a config, children included.

    Raises:
        ConstructError: there is no constructor for its class, or it refuses its arguments.
    """
    return Constructor()(layer)


@dataclass
class Constructor:
    """Builds the layers of one model in order, so that a layer can refer to an earlier one."""

    _made: dict[Mark, TorchObject] = field(default_factory=dict)

    def __call__(self, layer: Layer) -> TorchObject:
        """The Torch object of ``layer``; see :func:`construct`."""
        build = _BUILDERS.get(layer.class_name)
        if build is None:
            raise self._error(
                layer,
                f"{layer.class_name} cannot be built from a config; convert from its .t7 file",
            )
        children = tuple(self(child) for child in layer.layers)
        towers = tuple(tuple(self(child) for child in split.layers) for split in layer.splits)
        args = {name: self._argument(layer, value) for name, value in layer.args.items()}
        try:
            fields = build(Call(args, layer.given, children, towers))
        except ValueError as error:
            raise self._error(layer, str(error)) from error
        self._made[layer.mark] = made = make(layer.class_name, fields)
        return made

    def _argument(self, layer: Layer, value: Any) -> Any:
        """A reference to a layer becomes the object that was built for it."""
        mark = getattr(value, "mark", None)
        if mark is None:
            return value
        if mark not in self._made:
            raise self._error(
                layer, f"refers to {value.class_name} (line {mark.line}), which is not before it"
            )
        return self._made[mark]

    def _error(self, layer: Layer, message: str) -> ConstructError:
        mark = layer.mark
        return ConstructError(f"{mark.file}:{mark.line}:{mark.column}: {layer.path}: {message}")
