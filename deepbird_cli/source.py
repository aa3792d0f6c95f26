"""What the options about a v1 model's source ask for, done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

__all__ = ["example_inputs", "load_extensions"]


def load_extensions(paths: list[Path] | None) -> None:
    """Run the Python files that register converters, in the order given."""
    if paths:
        from migrate.extension import load_extension

        for path in paths:
            load_extension(path)


def example_inputs(file: Path | None, shape: str | None) -> Any:
    """The example that a conversion starts from.

    Args:
        file: a ``.t7`` file that holds it.
        shape: its shape, whole numbers between commas; asked only where there is no file.

    Returns:
        What the file holds, float32 zeros of the shape, or None if neither is given.

    Raises:
        typer.BadParameter: the shape is no list of whole numbers.
        T7Error, OSError: the file cannot be read.
    """
    if file is not None:
        import migrate

        return migrate.load_t7(file)
    if shape is not None:
        import numpy as np

        try:
            sizes = tuple(int(part) for part in shape.split(","))
        except ValueError:
            raise typer.BadParameter(f"{shape!r} is no list of whole numbers") from None
        return np.zeros(sizes, np.float32)
    return None
