"""Torch-style inputs to Keras inputs, and gradients back."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from migrate.inputs import Dense, Plan, Records, Sparse
from migrate.sparse_feed import FeedError, dense_gradient, form, sparse_tensor

__all__ = ["FeedError", "feed", "sources", "to_numpy", "unfeed"]

Array = np.ndarray[Any, Any]


def feed(plan: Plan, value: Any, probe: bool = False) -> Any:
    """Tensors for the Keras model.

    Args:
        plan: what the model takes.
        value: the input in Torch's form.
        probe: for gradients: sparse inputs of which Torch computes the gradient of every key
            carry every key.

    Raises:
        FeedError: the value is not of that form.
    """
    if isinstance(plan, list):
        if not isinstance(value, list | tuple) or len(value) < len(plan):
            raise FeedError(f"the model takes a table of {len(plan)} entries, got {form(value)}")
        return [feed(p, v, probe) for p, v in zip(plan, value, strict=False)]
    if isinstance(plan, Dense):
        return tf.convert_to_tensor(np.asarray(value, plan.dtype, order="C"))
    if isinstance(plan, Sparse):
        return sparse_tensor(plan, value, probe and plan.dense_grad)
    return ragged(plan, value)


def ragged(plan: Records, batch: Any) -> dict[str, tf.RaggedTensor]:
    """A columnar batch (``row_splits``, ``key``, ``value``, ``field``) as ragged tensors."""
    names = ("key", "value", "field") if plan.fields else ("key", "value")
    if not all(hasattr(batch, name) for name in (*names, "row_splits")):
        raise FeedError(f"the model takes decoded DataRecords, got {form(batch)}")
    kinds = {"key": tf.int64, "value": tf.float64, "field": tf.int64}
    return {
        name: tf.RaggedTensor.from_row_splits(
            tf.convert_to_tensor(getattr(batch, name), kinds[name]),
            batch.row_splits,
            validate=False,
        )
        for name in names
    }


def sources(plan: Plan, fed: Any) -> list[Any]:
    """The tensors among what :func:`feed` gave whose gradients Torch computes."""
    if isinstance(plan, list):
        return [leaf for p, f in zip(plan, fed, strict=False) for leaf in sources(p, f)]
    if isinstance(plan, Dense):
        return [fed] if fed.dtype.is_floating else []
    return [fed.values] if isinstance(plan, Sparse) and plan.dense_grad else []


def unfeed(plan: Plan, value: Any, fed: Any, grads: dict[int, Array]) -> Any:
    """Gradients of the inputs in Torch's form; None where Torch has none (records).

    Args:
        plan: of the inputs.
        value: the inputs in Torch's form.
        fed: what :func:`feed` made of them.
        grads: gradient of each of :func:`sources`, by the tensor's ``id``.
    """
    if isinstance(plan, list):
        return [unfeed(p, v, f, grads) for p, v, f in zip(plan, value, fed, strict=False)]
    if isinstance(plan, Dense):
        return grads.get(id(fed), np.zeros_like(np.asarray(value)))
    if isinstance(plan, Sparse):
        return dense_gradient(plan, fed.shape[0], grads.get(id(fed.values)))
    return None


def to_numpy(outputs: Any) -> Any:
    """Arrays of tensors, lists of lists."""
    if isinstance(outputs, list | tuple):
        return [to_numpy(entry) for entry in outputs]
    if isinstance(outputs, tf.SparseTensor):
        outputs = tf.sparse.to_dense(outputs, validate_indices=False)
    return np.asarray(outputs)
