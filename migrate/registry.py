"""Which function converts which Torch class.

A converter is a function ``(ctx, module, x) -> y``: ``x`` and ``y`` are Keras tensors, or lists
of them where Torch has tables. It registers itself::

    @converts("nn.Linear")
    def linear(ctx: Context, m: Module, x: Any) -> Any: ...
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from migrate.extension import load_installed

__all__ = [
    "Converter",
    "Layout",
    "RegistryError",
    "converts",
    "declared",
    "load_families",
    "lookup",
]

Layout = Literal["torch", "any", "channels_last", "aware", "flat"]
_F = TypeVar("_F", bound=Callable[..., Any])


class RegistryError(ValueError):
    """A class has two converters, or none."""


@dataclass(frozen=True)
class Converter:
    """A registered converter.

    Attributes:
        function: ``(ctx, module, x) -> y``.
        layout: what data layout it takes and gives. ``torch``: Torch's own. ``any``: whatever comes
            (element by element), and the same out. ``channels_last``: images with the channel
            last. ``aware``: whatever comes; the converter asks ``ctx.axes`` and marks its output.
            ``flat``: as ``aware``, and flattened features in any order, see ``ctx.order``.
        spatial_rank: number of spatial dimensions, for ``channels_last``.
        restrictions: what of the class it does not cover, for the coverage page.
    """

    function: Callable[..., Any]
    layout: Layout = "torch"
    spatial_rank: int = 0
    restrictions: str = ""

    @property
    def name(self) -> str:
        """``migrate.convert.linear:linear``."""
        return f"{self.function.__module__}:{self.function.__name__}"


_CONVERTERS: dict[str, Converter] = {}


def converts(
    *class_names: str,
    layout: Layout = "torch",
    spatial_rank: int = 0,
    restrictions: str = "",
) -> Callable[[_F], _F]:
    """Register the decorated function as the converter of Torch classes.

    Raises:
        RegistryError: a class has a converter already.
    """

    def register(function: _F) -> _F:
        converter = Converter(function, layout, spatial_rank, restrictions)
        for name in class_names:
            known = _CONVERTERS.get(name)
            if known is not None:
                raise RegistryError(f"two converters for {name}: {known.name} and {converter.name}")
            _CONVERTERS[name] = converter
        return function

    return register


@functools.cache
def _import_families() -> None:
    package = importlib.import_module("migrate.convert")
    for family in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{family.name}")
    load_installed()


def load_families() -> dict[str, Converter]:
    """Import every file of ``migrate.convert``; the whole registry, class → converter."""
    _import_families()
    return dict(_CONVERTERS)


def lookup(class_name: str) -> Converter:
    """The converter of a Torch class.

    Raises:
        RegistryError: there is none; says what close names exist.
    """
    _import_families()
    try:
        return _CONVERTERS[class_name]
    except KeyError:
        raise RegistryError(missing_message(class_name, _CONVERTERS)) from None


def missing_message(class_name: str, known: Iterable[str]) -> str:
    """What to say of a class that has no converter."""
    names = sorted(known)
    close = difflib.get_close_matches(class_name, names, 3)
    hint = f"did you mean {', '.join(close)}? " if close else ""
    return (
        f"no converter for {class_name}; {hint}{len(names)} classes have one "
        f"(deepbird inspect --classes lists them), and a Python file given by --extension adds "
        f"more: @migrate.registry.converts({class_name!r})"
    )


def declared() -> frozenset[str]:
    """Classes that have a converter, found without importing TensorFlow.

    Reads the decorators in the source of ``migrate.convert``; extensions that were imported, and
    those that are installed, count too.
    """
    load_installed()
    return _in_source() | frozenset(_CONVERTERS)


@functools.cache
def _in_source() -> frozenset[str]:
    names: set[str] = set()
    for path in sorted((Path(__file__).parent / "convert").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "converts":
                names.update(
                    arg.value
                    for arg in node.args
                    if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
                )
    return frozenset(names)
