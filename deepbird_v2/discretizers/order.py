"""Floats as integers in the same order, so that a comparison means the same everywhere.

The key of a float64 is its bit pattern, negative ones mirrored: ``a < b`` iff ``key(a) < key(b)``,
-0 and +0 share key 0, and the next float has the next key. TensorFlow's kernels treat denormal
floats as zero and NumPy's do not; integers have no denormals.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "INFINITY_KEY",
    "float32_key",
    "from_key",
    "order_key",
    "round_up_to_float32",
    "round_up_to_float64",
]

Array = np.ndarray[Any, Any]

_LOWEST = np.int64(-(2**63))
_LOWEST_32 = np.int64(-(2**31))
INFINITY_KEY = 0x7FF0_0000_0000_0000  # key of infinity; its negative is that of -infinity
_INF_32 = 0x7F80_0000
_TOP_32 = 2.0**128  # where float32 would go on after its largest number


def order_key(values: Array) -> Array:
    """Keys of numbers.

    Args:
        values: any shape; integers and float32 are taken as float64. NaNs give keys beyond those
            of the infinities.

    Returns:
        int64, the shape of ``values``.
    """
    bits = np.ascontiguousarray(values, np.float64).view(np.int64)
    return np.where(bits < 0, _LOWEST - bits, bits)


def from_key(keys: Array) -> Array:
    """The float64 of each key; key 0 gives +0."""
    keys = np.asarray(keys, np.int64)
    return np.where(keys < 0, _LOWEST - keys, keys).view(np.float64)


def round_up_to_float64(keys: Array) -> Array:
    """Turn thresholds on float32 values into thresholds on float64 values.

    Args:
        keys: int64, order keys of float32 numbers (their 32 bits mirrored the same way).

    Returns:
        int64 order keys of float64: the smallest one whose value rounds to a float32 at or above
        the threshold, so that comparing without rounding gives what rounding first would give.
    """
    at, before = _wide(keys), _wide(keys - 1)
    middle = (at + before) / 2
    with np.errstate(over="ignore"):
        reached = float32_key(middle.astype(np.float32)) >= keys
    threshold = order_key(middle) + ~reached
    threshold = np.where(keys <= -_INF_32, -INFINITY_KEY, threshold)
    return np.where(keys > _INF_32, INFINITY_KEY + 1, threshold)


def round_up_to_float32(keys: Array) -> Array:
    """Turn thresholds on float64 values into thresholds on values that are float32 numbers.

    Args:
        keys: int64 order keys of float64.

    Returns:
        int64 order keys of float32: of the smallest number at or above the threshold.
    """
    values = from_key(np.minimum(keys, INFINITY_KEY))
    with np.errstate(over="ignore"):
        nearest = values.astype(np.float32)
    found = float32_key(nearest)
    found = found + (nearest.astype(np.float64) < values)
    return np.where(keys > INFINITY_KEY, _INF_32 + 1, found)


def float32_key(values: Array) -> Array:
    """int64 order keys of float32 numbers."""
    bits = np.ascontiguousarray(values, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, _LOWEST_32 - bits, bits)


def _wide(keys: Array) -> Array:
    """The float32 numbers of keys as float64, with 2**128 for the infinities."""
    keys = np.clip(keys, -_INF_32, _INF_32)
    bits = np.where(keys < 0, _LOWEST_32 - keys, keys).astype(np.int32)
    values = bits.view(np.float32).astype(np.float64)
    return np.clip(values, -_TOP_32, _TOP_32)
