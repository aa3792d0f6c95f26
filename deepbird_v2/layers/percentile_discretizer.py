"""Keras layer of the percentile discretizer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepbird_v2.discretizers.percentile import PercentileDiscretizer as State
from deepbird_v2.layers.discretizer import order_key

__all__ = ["PercentileDiscretizer"]


@keras.saving.register_keras_serializable("deepbird")
class PercentileDiscretizer(keras.layers.Layer):
    """Hashed keys and values → a sparse row of bins, as the calibrated state says.

    A key of a calibrated feature becomes the id of the value's bin, with value 1. Any other key
    moves, modulo, into the ids that no bin uses, and keeps its value.

    Args:
        n_feature: number of calibrated features.
        n_edges: edges a feature.
        out_bits: the output has 2**out_bits columns.
        edge_dtype: type in which values are compared with edges.

    Call arguments:
        key: ragged int64 [batch, None].
        value: ragged [batch, None].

    Returns:
        ``tf.SparseTensor`` float32 [batch, 2**out_bits], entries in the order of the input.
    """

    def __init__(
        self,
        n_feature: int,
        n_edges: int,
        out_bits: int,
        edge_dtype: str = "float64",
        **kwargs: Any,
    ) -> None:
        # Keras would round the values to the layer's float32 before they meet the edges.
        super().__init__(autocast=False, **kwargs)
        self.n_feature, self.n_edges = n_feature, n_edges
        self.out_bits, self.edge_dtype = out_bits, edge_dtype
        shape = (n_feature, n_edges)
        self.sorted_ids = self._state("sorted_ids", (n_feature,), "int64")
        self.edges = self._state("edges", shape, edge_dtype)
        self.bin_ids = self._state("bin_ids", shape, "int64")
        self.ties = self._state("ties", shape, "int64")
        self.built = True

    def _state(self, name: str, shape: tuple[int, ...], dtype: str) -> Any:
        return self.add_weight(
            shape=shape,
            dtype=dtype,
            name=name,
            initializer="zeros",
            trainable=False,
            autocast=False,
        )

    @classmethod
    def from_state(cls, state: State, **kwargs: Any) -> PercentileDiscretizer:
        """The layer of a calibrated state."""
        n_feature, n_edges = state.bin_vals.shape
        layer = cls(n_feature, n_edges, state.output_bits, str(state.bin_vals.dtype), **kwargs)
        layer.set_state(state)
        return layer

    def set_state(self, state: State) -> None:
        """Take over a state of the same sizes; rows are kept sorted by feature id."""
        order = state.order
        self.sorted_ids.assign(state.feature_ids[order])
        self.edges.assign(state.bin_vals[order])
        self.bin_ids.assign(state.bin_ids[order])
        self.ties.assign(state.ties[order])

    def state(self) -> State:
        """The state that the layer holds, rows sorted by feature id."""
        return State(
            np.asarray(self.sorted_ids),
            np.asarray(self.edges),
            np.asarray(self.bin_ids),
            self.out_bits,
        )

    def call(self, key: Any, value: Any) -> Any:
        """See the class."""
        keys, values = key.flat_values, value.flat_values
        ids = tf.convert_to_tensor(self.sorted_ids)
        row = tf.minimum(tf.searchsorted(ids, keys, out_type=tf.int64), self.n_feature - 1)
        known = tf.equal(tf.gather(ids, row), keys)
        columns = tf.where(known, self._bin_id(row, values), self._other_id(keys))
        kept = tf.where(known, tf.ones_like(values, tf.float32), tf.cast(values, tf.float32))
        indices = tf.stack([key.value_rowids(), columns], axis=1)
        shape = tf.stack([key.nrows(out_type=tf.int64), tf.constant(1 << self.out_bits, tf.int64)])
        return tf.SparseTensor(indices, kept, shape)

    def _bin_id(self, row: Any, values: Any) -> Any:
        # As integers: kernels compare denormal floats, such as the ones beside 0, as zeros.
        keys = order_key(tf.cast(values, self.edge_dtype))
        every = order_key(tf.convert_to_tensor(self.edges))
        at_or_below = tf.cast(tf.gather(every, row) <= keys[:, tf.newaxis], tf.int64)
        at = tf.reduce_sum(at_or_below, axis=1) - 1
        at = tf.where(tf.math.is_nan(values), tf.zeros_like(at), tf.maximum(at, 0))
        cell = row * self.n_edges + at
        tied = tf.equal(tf.gather(tf.reshape(every, [-1]), cell), keys)
        tie = row * self.n_edges + tf.gather(tf.reshape(self.ties, [-1]), cell)
        return tf.gather(tf.reshape(self.bin_ids, [-1]), tf.where(tied, tie, cell))

    def _other_id(self, keys: Any) -> Any:
        known = self.n_feature * self.n_edges
        room = tf.constant((1 << self.out_bits) - known, tf.uint64)
        return tf.cast(tf.bitcast(keys, tf.uint64) % room, tf.int64) + known

    def compute_output_spec(self, key: Any, value: Any) -> Any:
        """Sparse [batch, 2**out_bits]."""
        return keras.KerasTensor((key.shape[0], 1 << self.out_bits), "float32", sparse=True)

    def get_config(self) -> dict[str, Any]:
        """Sizes and types; the state itself is saved as weights."""
        return super().get_config() | {
            "n_feature": self.n_feature,
            "n_edges": self.n_edges,
            "out_bits": self.out_bits,
            "edge_dtype": self.edge_dtype,
        }
