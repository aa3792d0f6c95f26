"""v1's calibration map: the points of the ``modules.IsotonicLayer`` in a ``.t7`` file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from deepbird_v2.calibration.isotonic import CalibrationError, check_points
from migrate import t7
from migrate.graph import build, walk

__all__ = ["load_isotonic"]

_CLASS = "modules.IsotonicLayer"


def load_isotonic(path: str | Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Read the points of a calibration map.

    Args:
        path: a ``.t7`` file, or an ``.npz`` archive with ``xs`` and ``ys``.

    Returns:
        (xs [n], ys [n]) in their own type, both ascending.

    Raises:
        CalibrationError: there is none in it, there are several, or the points make no map.
        T7Error, OSError: the file cannot be read.
    """
    path = Path(path)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            if not {"xs", "ys"} <= set(archive.files):
                raise CalibrationError(f"{path}: holds {archive.files}, expected xs and ys")
            xs, ys = archive["xs"], archive["ys"]
    else:
        modules = [m for _, obj in t7.find_modules(t7.load(path)) for m in walk(build(obj))]
        found = [m for m in modules if m.class_name == _CLASS]
        if len(found) != 1:
            raise CalibrationError(
                f"{path}: holds {len(found)} modules of class {_CLASS}, expected one"
            )
        xs, ys = found[0].array("xs"), found[0].array("ys")
    try:
        check_points(xs, ys)
    except CalibrationError as error:
        raise CalibrationError(f"{path}: {error}") from None
    return xs, ys
