"""Classes of your own: Python files and installed packages that register converters and oracles.

An extension is a Python module that, when imported, registers what it brings::

    from migrate.registry import converts
    from verify.oracle.base import Op, op

    @converts("acme.Scale")
    def scale(ctx, m, x):
        return x * m.number("factor")

    @op("acme.Scale")
    class Scale(Op):
        def forward(self, x):
            return x * self.node.number("factor")

A file is loaded by :func:`load_extension` (``--extension FILE``); a package that declares an entry
point in the group ``deepbird.converters`` is loaded when a class is first looked up.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["GROUP", "ExtensionError", "load_extension", "load_installed"]

GROUP = "deepbird.converters"


class ExtensionError(ValueError):
    """An extension cannot be loaded; says which, where, and why."""


def load_extension(path: str | Path) -> ModuleType:
    """Import a Python file, once however often it is asked for.

    Args:
        path: of the file.

    Returns:
        The imported module.

    Raises:
        ExtensionError: there is no such Python file, or importing it fails.
    """
    file = Path(path).resolve()
    if file.suffix != ".py" or not file.is_file():
        raise ExtensionError(f"{path}: an extension is a Python file, and there is none here")
    name = f"deepbird_extension_{file.stem}_{hashlib.sha256(bytes(file)).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ExtensionError(f"{path}: Python cannot import this file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pickling and dataclasses look modules up by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ExtensionError(f"{path}{_line(error, file)}: {_shown(error)}") from error
    return module


@functools.cache
def load_installed() -> tuple[str, ...]:
    """Import every installed extension; their names.

    Raises:
        ExtensionError: importing one fails.
    """
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    for entry in found:
        _import(entry)
    return tuple(entry.name for entry in found)


def _import(entry: EntryPoint) -> None:
    try:
        entry.load()
    except Exception as error:
        package = entry.dist.name if entry.dist else entry.value
        raise ExtensionError(
            f"the extension {entry.name!r} of {package} failed: {_shown(error)}; "
            f"repair or uninstall {package}"
        ) from error


def _line(error: BaseException, file: Path) -> str:
    """``:12`` where the error passed through line 12 of the file."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f":{error.lineno}"
    found, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            found = trace.tb_lineno
        trace = trace.tb_next
    return "" if found is None else f":{found}"


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
