"""From v1 to v2: Torch files and YAML configs become Keras models.

``load_t7`` reads a file; ``convert`` makes a Keras model of one. Importing this package does not
import TensorFlow; converting does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# The subpackage must be in place before the function of the same name covers it.
import migrate.convert as _families  # noqa: F401 - see above

if TYPE_CHECKING:
    from pathlib import Path

    from migrate.converter import Converted

__all__ = ["convert", "load_t7"]


def load_t7(path: str | Path) -> Any:
    """The first object of a ``.t7`` file as plain values.

    Args:
        path: binary or ascii file of Torch7.

    Returns:
        Tensors as NumPy views of the file, sequences as lists, other tables as dicts, numbers as
        floats; Torch objects (modules) as :class:`migrate.t7.TorchObject`.

    Raises:
        migrate.t7.T7Error: the file is not a readable Torch file; says what, where and why.
    """
    from migrate import t7

    return t7.plain(t7.load(path))


def convert(source: Any, example_inputs: Any = None, **options: Any) -> Converted:
    """A Torch model as a Keras model; see :func:`migrate.converter.convert`."""
    from migrate.converter import convert as run

    return run(source, example_inputs, **options)
