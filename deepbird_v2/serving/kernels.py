"""What a compiled model is made of: each kernel is called with arrays and gives one array.

Those that take most of the time have a compiled twin in ``_kernels``, with the same bits; it is
used where it is there and DEEPBIRD_NATIVE is not 0. Sparse rows travel as `Rows`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from deepbird_v2.data.backend import backend
from deepbird_v2.discretizers.percentile import PercentileDiscretizer, tie_bins

__all__ = [
    "Affine",
    "Dense",
    "DiscretizedSum",
    "Discretizer",
    "GatherSum",
    "Interpolation",
    "Rectifier",
    "Rows",
    "Selection",
    "native",
]

Array = np.ndarray[Any, Any]
# Floats of a cache line.
LINE = 16


class Rows(NamedTuple):
    """B sparse rows.

    Attributes:
        ids: int64[nnz], columns from 0.
        values: float32[nnz].
        splits: int64[B + 1]; the entries of row r are ``splits[r]:splits[r + 1]``.
    """

    ids: Array
    values: Array
    splits: Array


@cache
def _compiled() -> Any:
    try:
        return import_module("deepbird_v2.serving._kernels")
    except ImportError:
        return None


def native() -> Any:
    """The compiled kernels, or None where NumPy has to do."""
    return _compiled() if backend() == "native" else None


class Discretizer:
    """Keys and values → `Rows` of bins; see `deepbird_v2.discretizers.percentile`.

    Args:
        state: the calibrated state.
    """

    def __init__(self, state: PercentileDiscretizer) -> None:
        self.state, core = state, native()
        self.compiled = None
        if core is not None:
            make = core.Discretizer32 if state.bin_vals.dtype == np.float32 else core.Discretizer64
            arrays = (state.feature_ids, state.bin_vals, state.bin_ids, state.ties)
            self.compiled = make(*map(np.ascontiguousarray, arrays), state.output_bits)

    def __call__(self, keys: Array, values: Array, splits: Array) -> Rows:
        """Discretize int64[nnz] keys and float64[nnz] values."""
        if self.compiled is None:
            with np.errstate(over="ignore"):  # a value beyond float32 is infinite there
                return Rows(*self.state.apply(keys, values), splits)
        rows = Rows(np.empty(len(keys), np.int64), np.empty(len(keys), np.float32), splits)
        self.compiled.apply(keys, values, rows.ids, rows.values)
        return rows


class Selection:
    """The entries of sparse rows that came from certain features.

    Args:
        group: feature ids.
    """

    def __init__(self, group: list[int]) -> None:
        self.group = np.array(sorted(group), np.int64)

    def __call__(self, rows: Rows, fields: Array) -> Rows:
        """Select by the int64[nnz] feature of each entry."""
        chosen = np.isin(fields, self.group)
        before = np.zeros(len(chosen) + 1, np.int64)
        np.cumsum(chosen, out=before[1:])
        return Rows(rows.ids[chosen], rows.values[chosen], before[rows.splits])


class _Rectified:
    """The end of a linear kernel: add the bias, and below zero multiply by the slope."""

    def __init__(self, bias: Array | None, units: int) -> None:
        self.bias = np.zeros(units, np.float32) if bias is None else _float32(bias)
        self.slope: Array | None = None
        self.plain = bias is None
        self.core = native()

    def finish(self, y: Array) -> Array:
        if self.core is not None and not (self.plain and self.slope is None):
            slope = _ones(y.shape[1]) if self.slope is None else self.slope
            self.core.rectify(y, self.bias, slope)
            return y
        if not self.plain:
            y += self.bias
        return y if self.slope is None else np.where(y > 0, y, y * self.slope)


class Dense:
    """y = x · kernel + bias, rectified if a slope was taken in.

    Args:
        kernel: float32[features, units].
        bias: float32[units] or None.
    """

    def __init__(self, kernel: Array, bias: Array | None) -> None:
        self.kernel = _float32(kernel)
        self.end = _Rectified(bias, kernel.shape[1])

    def __call__(self, x: Array) -> Array:
        """Float32 [B, features] → [B, units]."""
        return self.end.finish(x @ self.kernel)


class GatherSum:
    """y = Σ value · kernel[id] + bias of each sparse row; repeated ids add up.

    Args:
        kernel: float32[width, units].
        bias: float32[units] or None.
        binary: take every value as 1.
    """

    def __init__(self, kernel: Array, bias: Array | None, binary: bool = False) -> None:
        self.core, units = native(), kernel.shape[1]
        table = _in_lines(_float32(kernel))
        self.kernel, self.binary = table[:, :units], binary
        self.end = _Rectified(bias, units)
        self.compiled = None if self.core is None else self.core.Kernel(table, units)

    def __call__(self, rows: Rows) -> Array:
        """`Rows` → float32 [B, units].

        Raises:
            IndexError: an id lies outside the kernel.
        """
        ids, values, splits = rows
        if self.binary:
            values = np.ones(len(ids), np.float32)
        y = np.zeros((len(splits) - 1, self.kernel.shape[1]), np.float32)
        if self.core is not None:
            self.core.gather_sum(self.compiled, ids, values, splits, y)
        elif len(ids):
            if ids.min() < 0:
                raise IndexError("a key lies outside the kernel")
            entries = self.kernel[ids] * values[:, np.newaxis]
            lengths = np.diff(splits)
            for nth in range(lengths.max()):  # in order, as the compiled kernel sums
                longer = np.flatnonzero(lengths > nth)
                y[longer] += entries[splits[longer] + nth]
        return self.end.finish(y)


class DiscretizedSum:
    """A discretizer and the sparse layer after it, in one pass.

    Args:
        discretizer: the first.
        layer: the second; it does not take values as 1.
    """

    def __init__(self, discretizer: Discretizer, layer: GatherSum) -> None:
        self.discretizer, self.layer = discretizer, layer

    def __call__(self, keys: Array, values: Array, splits: Array) -> Array:
        """Float32 [B, units] of int64[nnz] keys and float64[nnz] values."""
        compiled, layer = self.discretizer.compiled, self.layer
        if compiled is None:
            return layer(self.discretizer(keys, values, splits))
        y = np.empty((len(splits) - 1, layer.kernel.shape[1]), np.float32)
        compiled.apply_and_sum(keys, values, splits, layer.compiled, y)
        return layer.end.finish(y)


class Rectifier:
    """x above 0, else slope · x.

    Args:
        slope: float32[units] or [1].
    """

    def __init__(self, slope: Array) -> None:
        self.slope = _float32(slope)

    def __call__(self, x: Array) -> Array:
        """Any shape that the slope broadcasts to."""
        return np.where(x > 0, x, self.slope * x)


class Affine:
    """(x - shift) · scale + offset, a number a column.

    Args:
        shift: float32[units].
        scale: float32[units].
        offset: float32[units].
    """

    def __init__(self, shift: Array, scale: Array, offset: Array) -> None:
        self.shift, self.scale, self.offset = map(_float32, (shift, scale, offset))

    def __call__(self, x: Array) -> Array:
        """[B, units] → [B, units]."""
        return (x - self.shift) * self.scale + self.offset


class Interpolation:
    """Isotonic calibration, as `deepbird_v2.calibration.isotonic.interpolate`.

    Args:
        xs: [n] ascending scores.
        ys: [n] probabilities.
    """

    def __init__(self, xs: Array, ys: Array) -> None:
        self.xs, self.ys = np.ascontiguousarray(xs), np.ascontiguousarray(ys, xs.dtype)
        left = np.concatenate([np.arange(len(xs)), tie_bins(xs[np.newaxis])[0]])
        right = np.minimum(left + 1, len(xs) - 1)
        width = xs[right] - xs[left]
        rise = np.where(width > 0, ys[right] - ys[left], 0)
        # A segment each: first those that begin at each point, then those of a value on a point.
        segments = xs[left], ys[left], rise, np.where(width > 0, width, 1)
        self.segments = np.stack(segments).astype(xs.dtype)
        self.core = native()

    def __call__(self, x: Array) -> Array:
        """Any shape, in the type of the points."""
        xs, last = self.xs, len(self.xs) - 1
        if self.core is not None:
            out = np.empty(x.shape, xs.dtype)
            flat = np.ascontiguousarray(x, np.float32).reshape(-1)
            self.core.interpolate(xs, self.ys, self.segments, flat, out.reshape(-1))
            return out
        x = x.astype(xs.dtype)
        inside = np.fmin(np.fmax(x, xs[0]), xs[last])  # no NaN either
        at = xs.searchsorted(inside, side="right") - 1
        at += (last + 1) * (xs[at] == inside)
        x0, y0, rise, width = self.segments[:, at]
        y = y0 + rise * ((inside - x0) / width)
        y[x >= xs[last]] = self.ys[last]
        y[~(x > xs[0])] = self.ys[0]
        return y


def _in_lines(kernel: Array) -> Array:
    """Rows of whole cache lines where that costs little: nothing else is fetched with a row.

    Sums of such rows stay in registers, too.
    """
    width, units = kernel.shape
    stride = units + -units % LINE
    if stride != units and (stride > 128 or stride - units > units / 4):
        return kernel
    room = np.empty(width * stride + LINE, np.float32)
    start = -(room.ctypes.data // room.itemsize) % LINE
    table = room[start : start + width * stride].reshape(width, stride)
    table[:, :units], table[:, units:] = kernel, 0.0
    return table


def _float32(values: Array) -> Array:
    return np.ascontiguousarray(values, np.float32)


@cache
def _ones(units: int) -> Array:
    return np.ones(units, np.float32)
