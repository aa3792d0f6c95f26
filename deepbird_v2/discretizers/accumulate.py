"""What calibration collects: a sketch a feature, from any number of batches, shards and workers.

The file of a collection is one line of JSON (format, version, capacity, classes, number of features
and buckets), then little-endian arrays: feature ids, levels, buckets a feature (int64 [F] each),
missing weights (int64 [F, classes]), smallest keys (int64 [N]), weights (int64 [N, classes]), and
the SHA-256 of all that. Equal collections give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from deepbird_v2.data.files import write_atomically
from deepbird_v2.discretizers.errors import CalibrationDataError, StateError
from deepbird_v2.discretizers.order import order_key
from deepbird_v2.discretizers.sketch import WEIGHT_UNITS, Sketch, weight_units

__all__ = ["CAPACITY", "Collection"]

Array = np.ndarray[Any, Any]

CAPACITY: Final = 1024
_BUFFER: Final = 1 << 22
_FORMAT, _VERSION = "deepbird-collection", 1
_SIZES: Final = ("capacity", "classes", "features", "buckets")
_DIGEST_SIZE: Final = 32


class Collection:
    """Sketches of many features, filled from columns of keys and values.

    Args:
        capacity: most buckets a feature; up to so many distinct values everything is exact.
        classes: number of label classes that weights are kept apart by.
        buffer: values to wait for before they are sorted into the sketches; it changes nothing
            but speed and memory (32 bytes a value).
    """

    def __init__(self, capacity: int = CAPACITY, classes: int = 1, buffer: int = _BUFFER) -> None:
        if capacity < 2 or classes < 1 or buffer < 1:
            raise CalibrationDataError("capacity starts at 2, classes and buffer at 1")
        self.capacity, self.classes, self.buffer = capacity, classes, buffer
        self._sketches: dict[int, Sketch] = {}
        self._pending: list[tuple[Array, Array, Array | None, Array | None]] = []
        self._waiting = 0

    @property
    def sketches(self) -> dict[int, Sketch]:
        """Feature id → sketch, ascending by id; everything added so far is in it."""
        self._flush()
        return dict(sorted(self._sketches.items()))

    def add(
        self,
        keys: Array,
        values: Array,
        weights: Array | None = None,
        labels: Array | None = None,
    ) -> None:
        """Add values.

        Args:
            keys: int64[n] feature ids.
            values: [n]; NaN counts as missing.
            weights: [n] of each value; default 1.
            labels: int[n] class of each value, where there are several.

        Raises:
            CalibrationDataError: lengths differ, a key is no integer, or a weight or label is out
                of range.
        """
        keys = np.asarray(keys)
        if keys.size and keys.dtype.kind not in "iu":
            raise CalibrationDataError(f"keys are {keys.dtype}, feature ids are integers")
        keys, values = keys.astype(np.int64), np.asarray(values, np.float64)
        for name, column in (("values", values), ("weights", weights), ("labels", labels)):
            if column is not None and np.shape(column) != keys.shape:
                raise CalibrationDataError(f"{name} {np.shape(column)} for keys {keys.shape}")
        units = None if weights is None else weight_units(weights)
        if labels is None and self.classes > 1:
            raise CalibrationDataError(f"labels are needed, of {self.classes} classes")
        if labels is not None:
            labels = _classes(labels, self.classes)
        if not keys.size:
            return
        self._pending.append((keys, values.copy(), units, labels))
        self._waiting += len(keys)
        if self._waiting >= self.buffer:
            self._flush()

    def merge(self, other: Collection) -> None:
        """Add everything that another collection holds.

        Raises:
            CalibrationDataError: it has another capacity or number of classes.
        """
        if (self.capacity, self.classes) != (other.capacity, other.classes):
            raise CalibrationDataError(
                f"a collection of capacity {other.capacity} with {other.classes} classes does not "
                f"merge into one of {self.capacity} with {self.classes}"
            )
        for feature, sketch in other.sketches.items():
            self._sketch(feature).merge(sketch)

    def _sketch(self, feature: int) -> Sketch:
        if feature not in self._sketches:
            self._sketches[feature] = Sketch(self.capacity, self.classes)
        return self._sketches[feature]

    def _flush(self) -> None:
        if not self._waiting:
            return
        parts, self._pending, self._waiting = self._pending, [], 0
        keys = np.concatenate([part[0] for part in parts])
        lows = order_key(np.concatenate([part[1] for part in parts]))
        missing = np.isnan(np.concatenate([part[1] for part in parts]))
        weights = _column([part[2] for part in parts], [len(p[0]) for p in parts], WEIGHT_UNITS)
        labels = _column([part[3] for part in parts], [len(p[0]) for p in parts], 0)
        features, rows = _ranks(keys)
        order = np.argsort(rows, kind="stable")
        lows, missing = lows[order], missing[order]
        weights = weights[order] if weights.size > 1 else weights
        labels = labels[order] if labels.size > 1 else labels
        bounds = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(features)))])
        gone = bool(missing.any())
        for row, feature in enumerate(features.tolist()):
            span = slice(bounds[row], bounds[row + 1])
            spread = _spread(lows[span], _at(weights, span), _at(labels, span), self.classes)
            sketch = self._sketch(feature)
            if gone and (absent := missing[span]).any():
                sketch.add(lows[span][~absent], spread[~absent], spread[absent])
            else:
                sketch.add(lows[span], spread)

    def dumps(self) -> bytes:
        """The file's bytes."""
        sketches = list(self.sketches.values())
        header = {
            "format": _FORMAT,
            "version": _VERSION,
            "capacity": self.capacity,
            "classes": self.classes,
            "features": len(sketches),
            "buckets": sum(len(s.lows) for s in sketches),
        }
        columns = [
            np.array(list(self.sketches), "<i8"),
            np.array([s.level for s in sketches], "<i8"),
            np.array([len(s.lows) for s in sketches], "<i8"),
            *(s.missing.astype("<i8") for s in sketches),
            *(s.lows.astype("<i8") for s in sketches),
            *(s.weights.astype("<i8") for s in sketches),
        ]
        content = json.dumps(header, separators=(",", ":")).encode() + b"\n"
        content += b"".join(column.tobytes() for column in columns)
        return content + hashlib.sha256(content).digest()

    def save(self, path: str | Path) -> None:
        """Write the collection's file, whole or not at all."""
        write_atomically(path, self.dumps())

    @classmethod
    def load(cls, path: str | Path) -> Collection:
        """Read a collection's file.

        Raises:
            StateError: it is no such file, was altered, or contradicts itself.
        """
        content = Path(path).read_bytes()
        line, _, _ = content.partition(b"\n")
        try:
            header = json.loads(line)
        except ValueError:
            header = None
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise StateError(f"{path}: no {_FORMAT} file")
        if header.get("version") != _VERSION:
            raise StateError(f"{path}: this release reads version {_VERSION} alone")
        body, digest = content[:-_DIGEST_SIZE], content[-_DIGEST_SIZE:]
        if hashlib.sha256(body).digest() != digest:
            raise StateError(f"{path}: cut short or altered: its SHA-256 does not fit")
        try:
            loaded = cls._parse(header, np.frombuffer(body, "<i8", offset=len(line) + 1))
        except (KeyError, TypeError, ValueError, IndexError, OverflowError):
            loaded = None
        if (
            loaded is None
            or not all(sketch.sound for sketch in loaded.sketches.values())
            or loaded.dumps() != content
        ):
            raise StateError(f"{path}: its header and its columns contradict each other")
        return loaded

    @classmethod
    def _parse(cls, header: dict[str, int], data: Array) -> Collection:
        if any(type(header[name]) is not int for name in _SIZES):
            raise TypeError("a size is no integer")
        loaded = cls(header["capacity"], header["classes"])
        n, size, classes = header["features"], header["buckets"], header["classes"]
        sizes = [n, n, n, n * classes, size, size * classes]
        ids, levels, counts, missing, lows, weights = np.split(data, np.cumsum(sizes)[:-1])
        ends = np.cumsum(counts)
        missing, weights = missing.reshape(n, classes), weights.reshape(size, classes)
        for i, feature in enumerate(ids.tolist()):
            span = slice(ends[i] - counts[i], ends[i])
            loaded._sketches[feature] = Sketch(  # the same class
                loaded.capacity, classes, lows[span], weights[span], missing[i], int(levels[i])
            )
        return loaded


def _classes(labels: Array, classes: int) -> Array:
    labels = np.asarray(labels)
    if not np.isin(labels, np.arange(classes)).all():
        raise CalibrationDataError(f"labels must be whole numbers from 0 to {classes - 1}")
    return labels.astype(np.int64)


def _column(parts: list[Array | None], sizes: list[int], default: int) -> Array:
    """The parts in a row, or a single number that stands for all of them."""
    if all(part is None for part in parts):
        return np.array([default])
    filled = [
        np.full(size, default) if part is None else part
        for part, size in zip(parts, sizes, strict=True)
    ]
    joined: Array = np.concatenate(filled)
    return joined


def _at(column: Array, span: slice) -> Array:
    return column[span] if column.size > 1 else column


def _ranks(keys: Array) -> tuple[Array, Array]:
    """Distinct keys, and the rank of each key; in 16 bits, which sort fastest, where they do."""
    features = np.unique(keys)
    small = np.uint16 if len(features) <= 1 << 16 else np.int64
    return features, np.searchsorted(features, keys).astype(small)


def _spread(lows: Array, weights: Array, labels: Array, classes: int) -> Array:
    """int64[n, classes] weights, each in its class's column."""
    if classes == 1:
        return np.broadcast_to(weights[:, np.newaxis], (len(lows), 1))
    spread = np.zeros((len(lows), classes), np.int64)
    spread[np.arange(len(lows)), labels] = weights
    return spread
