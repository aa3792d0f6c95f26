"""A fully connected layer on sparse rows whose values it scales by the largest seen of each key."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from deepbird_v2.layers.full_sparse import segment_sum

__all__ = ["NormalizedSparse", "running_max"]

# Columns of the kernel before the weights: largest |value|, its inverse, scale, shift.
LEAD = 4
COLUMNS = range(LEAD - 1)  # those that a training forward writes


@keras.saving.register_keras_serializable("deepbird")
class NormalizedSparse(keras.layers.Layer):
    """y = norm(x) · weights + bias, with norm(v) = v / largest + shift, by key.

    In training each entry first raises its key's largest |value|, in the order of the entries, so
    an early entry of a batch is scaled by what was known then. Otherwise values beyond the largest
    become ±1. Nothing is propagated into the first three columns.

    Args:
        units: number of outputs.

    Call arguments:
        sparse: ``tf.SparseTensor`` [batch, width], keys from 0.

    Returns:
        [batch, units].
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_jit = False  # XLA needs to know the number of entries
        self.units = units

    def build(self, input_shape: Any) -> None:
        """Make the variables: kernel [width, 4 + units] and bias [units]."""
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], LEAD + self.units), initializer="zeros"
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.built = True

    def call(self, sparse: Any, training: bool = False) -> Any:
        """See the class."""
        rows, keys = sparse.indices[:, 0], sparse.indices[:, 1]
        kernel = self.kernel.value
        known = tf.gather(kernel, keys)
        values = tf.cast(sparse.values, known.dtype)
        size = tf.abs(values)
        largest, inverse = tf.unstack(tf.stop_gradient(known[:, :2]), axis=1)
        if training:
            seen = running_max(keys, tf.maximum(size, largest))
            inverse = tf.where(seen > largest, 1 / seen, inverse)
            largest = seen
            self._raise(keys, size)
        scaled = tf.where(size > largest, tf.sign(values), values * inverse) + known[:, LEAD - 1]
        entries = scaled[:, None] * known[:, LEAD:]
        return segment_sum(entries, rows, tf.cast(sparse.dense_shape[0], tf.int64)) + self.bias

    def _raise(self, keys: Any, size: Any) -> None:
        """Store the batch's largest value of each key, its inverse, and a scale of 1."""
        distinct, position = tf.unique(keys)
        cells = tf.stack([tf.stack([distinct, tf.zeros_like(distinct) + c], 1) for c in COLUMNS])
        largest, inverse = tf.unstack(tf.gather_nd(self.kernel.value, cells[:2]))
        top = tf.maximum(tf.math.unsorted_segment_max(size, position, tf.size(distinct)), largest)
        inverse = tf.where(top > largest, 1 / top, inverse)
        self.kernel.value.scatter_nd_update(cells, tf.stack([top, inverse, tf.ones_like(top)]))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, int]:
        """(batch, units)."""
        return (input_shape[0], self.units)

    def compute_output_spec(self, sparse: Any, training: bool = False) -> Any:
        """A dense tensor."""
        return keras.KerasTensor(self.compute_output_shape(sparse.shape), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {"units": self.units}


def running_max(keys: Any, size: Any) -> Any:
    """The largest ``size`` among the entries of the same key up to and including each entry.

    Args:
        keys: int64[n].
        size: [n].

    Returns:
        [n].
    """
    order = tf.argsort(keys, stable=True)
    key, largest = tf.gather(keys, order), tf.gather(size, order)
    count = tf.size(keys)

    def double(step: Any, largest: Any) -> Any:
        same = key[step:] == key[:-step]
        ahead = tf.where(same, tf.maximum(largest[step:], largest[:-step]), largest[step:])
        return step * 2, tf.concat([largest[:step], ahead], axis=0)

    _, largest = tf.while_loop(
        lambda step, _: step < count,
        double,
        (tf.constant(1), largest),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
    )
    return tf.scatter_nd(order[:, None], largest, tf.shape(size))
