"""Torch-style inputs to Keras inputs, and gradients back."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from migrate.inputs import Dense, Plan, Records, Sparse

__all__ = ["FeedError", "feed", "to_numpy", "unfeed"]

Array = np.ndarray[Any, Any]


class FeedError(ValueError):
    """An input does not have the form that the model takes."""


def feed(plan: Plan, value: Any) -> Any:
    """Tensors for the Keras model.

    Args:
        plan: what the model takes.
        value: the input in Torch's form.

    Raises:
        FeedError: the value is not of that form.
    """
    if isinstance(plan, list):
        if not isinstance(value, list | tuple) or len(value) < len(plan):
            raise FeedError(f"the model takes a table of {len(plan)} entries, got {_form(value)}")
        return [feed(p, v) for p, v in zip(plan, value, strict=False)]
    if isinstance(plan, Dense):
        return tf.convert_to_tensor(np.ascontiguousarray(value), plan.dtype)
    if isinstance(plan, Sparse):
        return sparse_tensor(plan, value)
    return ragged(plan, value)


def sparse_tensor(plan: Sparse, value: Any) -> tf.SparseTensor:
    """One N×2 array, or a table of them, as a ``SparseTensor`` with keys from 0."""
    pairs = [np.asarray(v) for v in (value if isinstance(value, list | tuple) else _rows(value))]
    for number, rows in enumerate(pairs, 1):
        if rows.ndim != 2 or rows.shape[1] != 2:
            raise FeedError(f"sparse input {number}: expected N×2 (key, value), got {rows.shape}")
    flat = np.concatenate(pairs) if pairs else np.empty((0, 2))
    keys = flat[:, 0].astype(np.int64) - 1
    bad = np.flatnonzero((keys < 0) | (keys >= plan.width))
    if bad.size:
        raise FeedError(f"key {keys[bad[0]] + 1} is outside 1..{plan.width}")
    row = np.repeat(np.arange(len(pairs)), [len(p) for p in pairs])
    indices = np.stack([row, keys], axis=1).astype(np.int64)
    return tf.SparseTensor(
        indices, flat[:, 1].astype(plan.dtype), (len(pairs), plan.width)
    )


def _rows(value: Any) -> list[Array]:
    array = np.asarray(value)
    return [array] if array.ndim == 2 else list(array)


def ragged(plan: Records, batch: Any) -> dict[str, tf.RaggedTensor]:
    """A columnar batch (``row_splits``, ``key``, ``value``, ``field``) as ragged tensors."""
    names = ("key", "value", "field") if plan.fields else ("key", "value")
    if not all(hasattr(batch, name) for name in (*names, "row_splits")):
        raise FeedError(f"the model takes decoded DataRecords, got {_form(batch)}")
    kinds = {"key": tf.int64, "value": tf.float64, "field": tf.int64}
    return {
        name: tf.RaggedTensor.from_row_splits(
            tf.convert_to_tensor(getattr(batch, name), kinds[name]), batch.row_splits, validate=False
        )
        for name in names
    }


def unfeed(plan: Plan, value: Any, fed: Any, grads: dict[int, Array]) -> Any:
    """Gradients of the inputs in Torch's form; None where Torch has none (keys, records)."""
    if isinstance(plan, list):
        return [unfeed(p, v, f, grads) for p, v, f in zip(plan, value, fed, strict=False)]
    if isinstance(plan, Dense):
        return grads.get(id(fed), np.zeros_like(np.asarray(value)))
    return None


def to_numpy(outputs: Any) -> Any:
    """Arrays of tensors, lists of lists."""
    if isinstance(outputs, list | tuple):
        return [to_numpy(entry) for entry in outputs]
    if isinstance(outputs, tf.SparseTensor):
        outputs = tf.sparse.to_dense(outputs, validate_indices=False)
    return np.asarray(outputs)


def _form(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return f"a table of {len(value)}" if isinstance(value, list | tuple) else type(value).__name__
