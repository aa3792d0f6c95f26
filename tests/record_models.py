"""Small models of DataRecords, and batches for them."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from deepbird_v2.discretizers.percentile import PercentileDiscretizer as State
from deepbird_v2.layers.full_sparse import FullSparse
from deepbird_v2.layers.percentile_discretizer import PercentileDiscretizer
from deepbird_v2.layers.sparse_partition import SparsePartition

EDGES = np.array([[0.0, 1, 2, 3], [-1, 0, 0.5, 2]])
STATE = State(np.array([7, 9]), EDGES, np.arange(8).reshape(2, 4), 5)


def record_model(*, split: bool, rate: float = 0.0) -> keras.Model:
    """Discretizer, one or two towers, dropout; the field is an input only where it is split by."""
    key = keras.Input([None], dtype="int64", ragged=True, name="key")
    value = keras.Input([None], dtype="float64", ragged=True, name="value")
    field = keras.Input([None], dtype="int64", ragged=True, name="field")
    sparse = PercentileDiscretizer.from_state(STATE)(key, value)
    parts = SparsePartition([[7], [9, 3]])(sparse, field) if split else [sparse]
    towers = [FullSparse(3, bias_initializer="normal")(part) for part in parts]
    x = keras.ops.concatenate(towers, axis=1) if split else towers[0]
    y = keras.layers.Dense(1)(keras.layers.Dropout(rate)(x))
    inputs = {"key": key, "value": value} | ({"field": field} if split else {})
    return keras.Model(inputs, {"score": y, "twice": y * 2.0})


def batch(rows: int = 6, seed: int = 0) -> dict[str, tf.RaggedTensor]:
    """Known features, unknown keys and empty rows."""
    rng = np.random.default_rng(seed)
    splits = np.concatenate([[0], np.cumsum(rng.integers(0, 4, rows))])
    field = rng.choice([7, 9, 3], splits[-1])
    columns = {"key": field, "value": rng.normal(size=splits[-1]), "field": field}
    return {n: tf.RaggedTensor.from_row_splits(c, splits) for n, c in columns.items()}
