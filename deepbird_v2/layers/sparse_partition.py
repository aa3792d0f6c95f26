"""Split a sparse batch by the feature that each entry came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

__all__ = ["SparsePartition"]


@keras.saving.register_keras_serializable("deepbird")
class SparsePartition(keras.layers.Layer):
    """One sparse tensor → one a group of features, rows and columns unchanged.

    Args:
        groups: feature ids of each group; an entry of no group goes nowhere, one of several
            groups goes to each.

    Call arguments:
        sparse: ``tf.SparseTensor`` [batch, width].
        field: ragged int64 [batch, None], the feature id of each entry, in the same order.

    Returns:
        A list of ``tf.SparseTensor`` [batch, width].
    """

    def __init__(self, groups: Sequence[Sequence[int]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups = [sorted(int(feature) for feature in group) for group in groups]

    def call(self, sparse: Any, field: Any) -> Any:
        """See the class."""
        fields = field.flat_values
        return [self._select(sparse, fields, group) for group in self.groups]

    @staticmethod
    def _select(sparse: Any, fields: Any, group: list[int]) -> Any:
        if not group:
            chosen = tf.zeros([0], tf.int64)
        else:
            ids = tf.constant(group, tf.int64)
            slot = tf.minimum(tf.searchsorted(ids, fields), len(group) - 1)
            chosen = tf.where(tf.equal(tf.gather(ids, slot), fields))[:, 0]
        return tf.SparseTensor(
            tf.gather(sparse.indices, chosen), tf.gather(sparse.values, chosen), sparse.dense_shape
        )

    def compute_output_spec(self, sparse: Any, field: Any) -> Any:
        """As many tensors like ``sparse`` as there are groups."""
        return [keras.KerasTensor(sparse.shape, sparse.dtype, sparse=True) for _ in self.groups]

    def get_config(self) -> dict[str, Any]:
        """The groups."""
        return super().get_config() | {"groups": self.groups}
