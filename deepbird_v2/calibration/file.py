"""The map file: JSON, one line a point, the same bytes for the same map.

.. code-block:: text

    {"format":"deepbird-isotonic","version":1,"dtype":"float64","points":[
    [0.01,0.02],
    [0.5,0.25]
    ],
    "fingerprint":"<SHA-256 of everything above, up to and with the ']' and the line end>"}

* A point is ``[x, y]``: a score and the probability it becomes. Both ascend from point to point.
* ``dtype`` is float64 or float32: what scores are compared and interpolated in.
* Numbers are written in the shortest form that reads back as the same float64; a float32 is such a
  number, too. NaN and infinities never occur.
* A reader refuses another version, an unknown key, points that make no map or do not fit the
  dtype, and a fingerprint that does not fit.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from deepbird_v2.calibration.isotonic import CalibrationError, check_points
from deepbird_v2.data import strict_json
from deepbird_v2.data.files import write_atomically

__all__ = ["DTYPES", "FORMAT", "VERSION", "dumps", "fingerprint", "load", "loads", "save"]

Array = np.ndarray[Any, Any]

FORMAT = "deepbird-isotonic"
VERSION = 1
_KEYS = frozenset(("format", "version", "dtype", "points", "fingerprint"))
DTYPES = ("float32", "float64")


def save(xs: Array, ys: Array, path: str | Path) -> None:
    """Write a map file, whole or not at all.

    Args:
        xs: [n] ascending scores, float32 or float64.
        ys: [n] ascending probabilities of the same type.
        path: the file.

    Raises:
        CalibrationError: they make no map.
    """
    write_atomically(path, dumps(xs, ys))


def load(path: str | Path) -> tuple[Array, Array]:
    """Read a map file.

    Returns:
        (xs [n], ys [n]) in the type the map was saved in.

    Raises:
        CalibrationError: it is no such file, was altered, or its points make no map.
        OSError: it cannot be read.
    """
    return loads(Path(path).read_bytes(), str(path))


def dumps(xs: Array, ys: Array) -> bytes:
    """The file's bytes; see `save`."""
    content = _content(xs, ys)
    return content + f'"fingerprint":"{hashlib.sha256(content).hexdigest()}"}}\n'.encode()


def fingerprint(xs: Array, ys: Array) -> str:
    """SHA-256 of the canonical content, hex; see `save`."""
    return hashlib.sha256(_content(xs, ys)).hexdigest()


def loads(content: bytes, where: str = "map") -> tuple[Array, Array]:
    """Read a map from a file's bytes; see `load`.

    Args:
        content: the bytes.
        where: what to call them in errors.
    """
    data = strict_json.loads(content, where, CalibrationError, "no point")
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise CalibrationError(f"{where}: no {FORMAT} file")
    if data.get("version") != VERSION:
        raise CalibrationError(
            f"{where}: version {data.get('version')}; this release reads version {VERSION}"
        )
    try:
        xs, ys = _points(data)
        found = fingerprint(xs, ys)
    except CalibrationError as error:
        raise CalibrationError(f"{where}: {error}") from None
    if data["fingerprint"] != found:
        raise CalibrationError(
            f"{where}: its fingerprint is {str(data['fingerprint'])[:12]}..., its content's is "
            f"{found[:12]}...; the file was altered: take the original"
        )
    return xs, ys


def _content(xs: Array, ys: Array) -> bytes:
    check_points(xs, ys)
    if xs.dtype != ys.dtype or xs.dtype.name not in DTYPES:
        raise CalibrationError(
            f"points of types {xs.dtype} and {ys.dtype}; expected both {' or '.join(DTYPES)}"
        )
    header = {"format": FORMAT, "version": VERSION, "dtype": xs.dtype.name}
    lines = ",\n".join(map(_json, zip(xs.tolist(), ys.tolist(), strict=True)))
    return f'{_json(header)[:-1]},"points":[\n{lines}\n],\n'.encode()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _points(data: dict[str, Any]) -> tuple[Array, Array]:
    for name in sorted(_KEYS ^ set(data)):
        if name in _KEYS:
            raise CalibrationError(f"{name!r} is missing")
        raise CalibrationError(f"unknown key {name!r}; a newer release may have written it")
    if data["dtype"] not in DTYPES:
        raise CalibrationError(f"dtype {data['dtype']!r}; known: {', '.join(DTYPES)}")
    if not isinstance(data["points"], list):
        raise CalibrationError("points must be a list")
    for at, point in enumerate(data["points"]):
        if not (isinstance(point, list) and len(point) == 2 and all(map(_is_number, point))):
            raise CalibrationError(f"point {at} must be [x, y], not {point!r}")
    try:
        wide = np.array(data["points"], np.float64).reshape(-1, 2)
    except OverflowError:
        raise CalibrationError("a point is too large for a float64") from None
    with np.errstate(over="ignore"):
        narrow = wide.astype(data["dtype"])
    if (narrow != wide).any():
        at = int(np.flatnonzero((narrow != wide).any(axis=1))[0])
        raise CalibrationError(f"point {at} is not of type {data['dtype']}")
    return narrow[:, 0].copy(), narrow[:, 1].copy()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
