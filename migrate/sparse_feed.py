"""Torch's sparse inputs as ``tf.SparseTensor``, and gradients back into Torch's forms.

Torch has six forms; see :data:`migrate.inputs.SparseForm`. All of them are rows of (key, value).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from migrate.inputs import Sparse, SparseForm

__all__ = ["FeedError", "dense_gradient", "sparse_tensor"]

Array = np.ndarray[Any, Any]
Columns = tuple[Array, Array, Array]


class FeedError(ValueError):
    """An input does not have the form that the model takes."""


def sparse_tensor(plan: Sparse, value: Any, probe: bool = False) -> tf.SparseTensor:
    """One of Torch's sparse forms as a ``SparseTensor`` [batch, width] with keys from 0.

    Args:
        plan: which form, how wide, and the first key.
        value: the input.
        probe: append an entry of value 0 for every key of every row: they change no output, and
            their gradients are the gradient of the dense rows.

    Raises:
        FeedError: the value is not of that form, or a key is out of range.
    """
    keys, values, sizes = _COLUMNS[plan.form](value)
    row, key = np.repeat(np.arange(len(sizes)), sizes), keys.astype(np.int64) - plan.first_key
    if plan.form in PAIRS and not values.all():  # Torch passes over zeros before it sees the key
        used = values != 0
        row, key, values = row[used], key[used], values[used]
    wrong = np.flatnonzero((key < 0) | (key >= plan.width))
    if wrong.size:
        last = plan.first_key + plan.width - 1
        raise FeedError(
            f"row {row[wrong[0]] + 1}: key {key[wrong[0]] + plan.first_key} is outside "
            f"{plan.first_key}..{last}"
        )
    if probe:
        row = np.concatenate([row, np.repeat(np.arange(len(sizes)), plan.width)])
        key = np.concatenate([key, np.tile(np.arange(plan.width), len(sizes))])
        values = np.concatenate([values, np.zeros(len(sizes) * plan.width, values.dtype)])
    indices = np.stack([row, key], axis=1).astype(np.int64)
    return tf.SparseTensor(indices, values.astype(plan.dtype), (len(sizes), plan.width))


def dense_gradient(plan: Sparse, batch: int, grad: Array | None) -> Any:
    """Torch's ``gradInput`` of a sparse module.

    Args:
        plan: of the input.
        batch: number of rows.
        grad: gradient of the probed values of :func:`sparse_tensor`; None where the module was
            made without ``doGradInput``.
    """
    if grad is None:
        return None if plan.form == "block" else []
    rows = np.asarray(grad)[-batch * plan.width :].reshape(batch, plan.width)
    keys = np.broadcast_to(np.arange(1, plan.width + 1), rows.shape)  # from 1 at any first key
    pairs = np.stack([keys.astype(rows.dtype), rows], axis=2)
    forms = {
        "pairs": list(pairs),
        "pair": list(pairs),
        "block": pairs,
        "tables": [list(keys), list(rows)],
        "keys": [keys[0], rows[0]],
        "flat": [keys, rows],
    }
    return forms[plan.form]


def _pairs(value: Any) -> Columns:
    if not isinstance(value, list | tuple):
        raise FeedError(f"expected a table of N×2 tensors (key, value), got {form(value)}")
    rows = [np.asarray(entry) for entry in value]
    for number, entry in enumerate(rows, 1):
        if entry.size and (entry.ndim != 2 or entry.shape[1] != 2):
            raise FeedError(f"row {number}: expected N×2 (key, value), got {form(entry)}")
    flat = np.concatenate([entry.reshape(-1, 2) for entry in rows] or [np.empty((0, 2))])
    return flat[:, 0], flat[:, 1], np.array([entry.size // 2 for entry in rows], np.int64)


def _block(value: Any) -> Columns:
    block = np.asarray(value)
    if block.ndim != 3 or block.shape[2] != 2:
        raise FeedError(f"expected a B×N×2 tensor of (key, value), got {form(block)}")
    return _pairs(list(block))


def _tables(value: Any) -> Columns:
    keys, values = _entries(value, 2)
    if not isinstance(keys, list | tuple) or not isinstance(values, list | tuple):
        raise FeedError(f"expected {{tables of keys, tables of values}}, got {form(keys)}")
    sizes = np.array([len(entry) for entry in keys], np.int64)
    return _checked(np.concatenate(keys), np.concatenate(values), sizes)


def _keys(value: Any) -> Columns:
    keys, values = map(np.asarray, _entries(value, 2))
    return _checked(keys, values, np.array([len(keys)], np.int64))


def _flat(value: Any) -> Columns:
    keys, values, sizes = map(np.asarray, _entries(value, 3))
    return _checked(keys, values, np.atleast_1d(sizes).astype(np.int64))


def _entries(value: Any, count: int) -> Any:
    if not isinstance(value, list | tuple) or len(value) != count:
        raise FeedError(f"expected a table of {count} entries, got {form(value)}")
    return value


def _checked(keys: Array, values: Array, sizes: Array) -> Columns:
    if keys.ndim != 1 or keys.shape != values.shape or sizes.sum() != len(keys):
        raise FeedError(
            f"{len(keys)} keys, {len(values)} values and sizes that sum to {sizes.sum()} "
            f"should be as many"
        )
    return keys, values, sizes


_COLUMNS: Mapping[SparseForm, Callable[[Any], Columns]] = {
    "pairs": _pairs,
    "pair": lambda value: _pairs([value]),
    "block": _block,
    "tables": _tables,
    "keys": _keys,
    "flat": _flat,
}
PAIRS = ("pairs", "pair", "block")


def form(value: Any) -> str:
    """What a value is, for errors."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return f"a table of {len(value)}" if isinstance(value, list | tuple) else type(value).__name__
