"""Calibration maps from wherever v1, a conversion or a fit left them.

=================================  ================================================================
source                             what is read
=================================  ================================================================
``*.t7``                           the ``modules.IsotonicLayer`` in it
a TensorIO folder (``spec.yaml``)  entries named as that layer's tensors
a model folder (``model.json``)    the isotonic layer of the converted model
``*.npz``                          arrays ``xs`` and ``ys``
a map file                         as it is (`deepbird_v2.calibration.file`)
=================================  ================================================================
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from deepbird_v2.calibration import file
from deepbird_v2.calibration.isotonic import CalibrationError, check_points
from migrate.graph import build, walk
from migrate.tensorio import SPEC

__all__ = ["load_isotonic"]

Array = np.ndarray[Any, Any]
Map = tuple[Array, Array]

_CLASS = "modules.IsotonicLayer"


def load_isotonic(path: str | Path) -> Map:
    """Read the points of a calibration map.

    Args:
        path: any source in this module's table.

    Returns:
        (xs [n], ys [n]) in their own type, both ascending.

    Raises:
        CalibrationError: there is none in it, there are several, or the points make no map.
        ValueError, OSError: the source cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        xs, ys = _tensorio(path) if (path / SPEC).is_file() else _from_model(path)
    elif path.suffix == ".t7":
        xs, ys = _t7(path)
    elif path.suffix == ".npz":
        xs, ys = _npz(path)
    else:
        return _map_file(path)
    try:
        check_points(xs, ys)
    except CalibrationError as error:
        raise CalibrationError(f"{path}: {error}") from None
    if xs.dtype != ys.dtype or xs.dtype.name not in file.DTYPES:
        raise CalibrationError(
            f"{path}: points of types {xs.dtype} and {ys.dtype}; expected both "
            f"{' or '.join(file.DTYPES)}"
        )
    return xs, ys


def _map_file(path: Path) -> Map:
    content = path.read_bytes()
    if not content.lstrip().startswith(b"{"):
        raise CalibrationError(
            f"{path}: no .t7 file, npz archive, map file, TensorIO folder or model folder"
        )
    return file.loads(content, str(path))


def _t7(path: Path) -> Map:
    from migrate import t7

    modules = [m for _, obj in t7.find_modules(t7.load(path)) for m in walk(build(obj))]
    found = [m for m in modules if m.class_name == _CLASS]
    if len(found) != 1:
        raise CalibrationError(
            f"{path}: holds {len(found)} modules of class {_CLASS}, expected one"
        )
    return found[0].array("xs"), found[0].array("ys")


def _tensorio(folder: Path) -> Map:
    from migrate import tensorio

    values = tensorio.read(folder)
    places = {name.rpartition(".")[0] for name in values if name.rpartition(".")[2] == "xs"}
    found = [place for place in sorted(places) if _below(place, "ys") in values]
    if len(found) != 1:
        raise CalibrationError(f"{folder}: {len(found)} entries have xs and ys, expected one")
    xs, ys = (np.asarray(values[_below(found[0], name)]) for name in ("xs", "ys"))
    return xs, ys


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _npz(path: Path) -> Map:
    try:
        # np.load keeps a file open that it cannot read, unless the file is ours
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            if not {"xs", "ys"} <= set(archive.files):
                raise CalibrationError(f"{path}: holds {archive.files}, expected xs and ys")
            return archive["xs"], archive["ys"]
    except (BadZipFile, ValueError, EOFError) as error:
        if isinstance(error, CalibrationError):
            raise
        raise CalibrationError(f"{path}: no npz archive ({error})") from None


def _from_model(folder: Path) -> Map:
    """The map of a converted model, as its layer applies it; imports TensorFlow."""
    from deepbird_v2.folder import read_manifest

    read_manifest(folder)
    from deepbird_v2.discretizers.percentile import tie_bins
    from deepbird_v2.export import load_keras
    from deepbird_v2.layers.isotonic import Isotonic

    model = load_keras(folder / "model.keras")
    found = [layer for layer in model.layers if isinstance(layer, Isotonic)]
    if len(found) != 1:
        raise CalibrationError(
            f"{folder}: the model has {len(found)} isotonic layers, expected one"
        )
    xs, ys, ties = (np.asarray(v) for v in (found[0].xs, found[0].ys, found[0].ties))
    if not np.array_equal(ties, tie_bins(xs[np.newaxis])[0]):
        raise CalibrationError(
            f"{folder}: its table of equal points does not fit the points; convert the model again"
        )
    return xs, ys
