"""The classes a document may name: the project's own, installed packages', a site's files'."""

from __future__ import annotations

import importlib.util
import traceback
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from legacy_yaml.problems import ConfigError, Problem
from legacy_yaml.registry import Registry, read_signatures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ENTRY_POINTS = "deepbird.legacy_modules"
Extension: TypeAlias = "Callable[[Registry], None]"


def build_registry(extensions: Iterable[str | Path | Extension] = ()) -> Registry:
    """The classes of the project, of installed packages, and of ``extensions``.

    Args:
        extensions: Python files, or functions that take the registry.

    Raises:
        ConfigError: If an extension file cannot be used.
    """
    known = _installed().copy()
    for extension in extensions:
        register = load_extension(extension) if isinstance(extension, str | Path) else extension
        register(known)
    return known


@cache
def _installed() -> Registry:
    known = Registry()
    for package in ("modules", "nn"):
        for layer in read_signatures(package):
            known.add_class(replace(layer, name=f"{package}.{layer.name}"))
    for point in entry_points(group=ENTRY_POINTS):
        point.load()(known)
    return known


def load_extension(path: str | Path) -> Extension:
    """Loads a Python file that defines ``register(registry)``.

    The file is executed: name only files you trust.

    Raises:
        ConfigError: If it cannot be read, fails, or defines no ``register``.
    """
    path = Path(path)
    spec = importlib.util.spec_from_file_location(f"_legacy_yaml_extension_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise _extension_error(path, 1, "not a Python file that can be read")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _extension_error(path, _line_in(path, error), f"failed: {error!r}") from error
    register = getattr(module, "register", None)
    if not callable(register):
        raise _extension_error(path, 1, "defines no function 'register(registry)'")

    def extension(registry: Registry) -> None:
        try:
            register(registry)
        except Exception as error:
            raise _extension_error(path, _line_in(path, error), f"failed: {error}") from error

    return extension


def _extension_error(path: Path, line: int, message: str) -> ConfigError:
    return ConfigError([Problem(str(path), line, 1, "", f"extension {message}")])


def _line_in(path: Path, error: Exception) -> int:
    if isinstance(error, SyntaxError):
        return error.lineno or 1
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno or 1 for f in reversed(frames) if Path(f.filename) == path), 1)
