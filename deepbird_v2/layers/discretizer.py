"""Keras layer of any calibrated discretizer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepbird_v2.discretizers.order import from_key, round_up_to_float32
from deepbird_v2.discretizers.state import Bins, Unknown, UnknownRule
from deepbird_v2.discretizers.state import Discretizer as State
from deepbird_v2.discretizers.table import Table

__all__ = ["Discretizer", "order_key"]

_STATE = ("features", "splits", "cuts", "cuts32", "ids", "nan_ids")


def order_key(values: Any) -> Any:
    """int64 keys of float64 or float32 values, each in its own type's order.

    A kernel would compare denormal floats as zeros; integers it compares as they are.
    """
    if values.dtype == tf.float32:
        bits = tf.cast(tf.bitcast(values, tf.int32), tf.int64)
        return tf.where(bits < 0, tf.constant(-(2**31), tf.int64) - bits, bits)
    bits = tf.bitcast(tf.cast(values, tf.float64), tf.int64)
    return tf.where(bits < 0, tf.constant(-(2**63), tf.int64) - bits, bits)


def unknown_id(keys: Any, unknown: Unknown) -> Any:
    """int64: where keys go that have no bins."""
    # AutoGraph knows no match statement.
    if unknown.rule is UnknownRule.MASK:
        return tf.bitwise.bitwise_and(keys, tf.constant(unknown.stop - 1, tf.int64))
    if unknown.rule is UnknownRule.FLOOR_MODULO:
        return tf.math.floormod(keys, tf.constant(unknown.room, tf.int64)) + unknown.first
    within = tf.bitcast(keys, tf.uint64) % tf.constant(unknown.room, tf.uint64)
    return tf.cast(within, tf.int64) + unknown.first


@keras.saving.register_keras_serializable("deepbird")
class Discretizer(keras.layers.Layer):
    """Keys and values → a sparse row of bins, as the calibrated state says.

    A key of a calibrated feature becomes the id of the value's bin, with value 1. Any other key
    moves as the state's rule says, and keeps its value. The ids are NumPy's, bit for bit.

    Args:
        n_feature: number of discretized features.
        n_cut: number of cuts in all of them.
        most_cuts: the largest number of cuts of one feature.
        out_bits: the output has 2**out_bits columns.
        unknown_rule: an `UnknownRule`.
        unknown_ids: other keys take ids from the first up to the second.
        keep_inputs: add every entry once more, undiscretized, after the others; see
            `deepbird_v2.discretizers.state.Discretizer.apply`.

    Call arguments:
        key: ragged int64 [batch, None].
        value: ragged float64 or float32 [batch, None].

    Returns:
        ``tf.SparseTensor`` float32 [batch, 2**out_bits], entries in the order of the input.
    """

    def __init__(
        self,
        n_feature: int,
        n_cut: int,
        most_cuts: int,
        out_bits: int,
        unknown_rule: str,
        unknown_ids: tuple[int, int],
        keep_inputs: bool = False,
        **kwargs: Any,
    ) -> None:
        # Keras would round the values to the layer's float32 before they meet the cuts.
        super().__init__(autocast=False, **kwargs)
        self.n_feature, self.n_cut, self.most_cuts = n_feature, n_cut, most_cuts
        self.out_bits, self.keep_inputs = out_bits, keep_inputs
        self.unknown = Unknown(UnknownRule(unknown_rule), *unknown_ids)
        sizes = (n_feature, n_feature + 1, n_cut, n_cut, n_cut + n_feature, n_feature)
        for name, size in zip(_STATE, sizes, strict=True):
            setattr(self, name, self._integers(name, size))
        self.built = True

    def _integers(self, name: str, size: int) -> Any:
        return self.add_weight(
            shape=(size,),
            dtype="int64",
            name=name,
            initializer="zeros",
            trainable=False,
            autocast=False,
        )

    @classmethod
    def from_state(cls, state: State, **kwargs: Any) -> Discretizer:
        """The layer of a calibrated state."""
        table = state.table
        layer = cls(
            len(table.features),
            len(table.cuts),
            int(np.diff(table.splits).max(initial=0)),
            state.output_bits,
            state.unknown.rule.value,
            (state.unknown.first, state.unknown.stop),
            **kwargs,
        )
        layer.set_table(table)
        return layer

    def set_table(self, table: Table) -> None:
        """Take over a table of the same sizes."""
        columns = (
            table.features,
            table.splits,
            table.cuts,
            round_up_to_float32(table.cuts),
            table.ids,
            table.nan_ids,
        )
        for name, column in zip(_STATE, columns, strict=True):
            getattr(self, name).assign(column)

    def state(self) -> State:
        """A state that gives the layer's ids for every value.

        The layer keeps cuts, not how they came about: the rule is the default one, ``[a,b)`` with a
        bin for NaN, whatever it was in the state that the layer was made from, and names, parents
        and weights are gone.
        """
        columns = (np.asarray(getattr(self, name)) for name in _STATE)
        features, splits, cuts, _, ids, nan_ids = columns
        return State(
            features=tuple(
                Bins(
                    int(feature),
                    from_key(cuts[start:stop]),
                    np.append(ids[start + row : stop + row + 1], nan_ids[row]),
                )
                for row, (feature, start, stop) in enumerate(
                    zip(features, splits[:-1], splits[1:], strict=True)
                )
            ),
            output_bits=self.out_bits,
            unknown=self.unknown,
        )

    def call(self, key: Any, value: Any) -> Any:
        """See the class."""
        keys, values = key.flat_values, value.flat_values
        columns = unknown_id(keys, self.unknown)
        kept = tf.cast(values, tf.float32)
        if self.n_feature:
            features = tf.convert_to_tensor(self.features)
            row = tf.minimum(tf.searchsorted(features, keys, out_type=tf.int64), self.n_feature - 1)
            known = tf.equal(tf.gather(features, row), keys)
            columns = tf.where(known, self._id(row, values), columns)
            kept = tf.where(known, tf.ones_like(kept), kept)
        rows = key.value_rowids()
        if self.keep_inputs:
            room = tf.constant(self.unknown.room, tf.int64)
            added = tf.math.floormod(keys, room) + self.unknown.first
            rows, columns = tf.tile(rows, [2]), tf.concat([columns, added], axis=0)
            kept = tf.concat([kept, tf.cast(values, tf.float32)], axis=0)
        indices = tf.stack([rows, columns], axis=1)
        shape = tf.stack([key.nrows(out_type=tf.int64), tf.constant(1 << self.out_bits, tf.int64)])
        return tf.SparseTensor(indices, kept, shape)

    def _id(self, row: Any, values: Any) -> Any:
        cuts = tf.convert_to_tensor(self.cuts32 if values.dtype == tf.float32 else self.cuts)
        splits, keys = tf.convert_to_tensor(self.splits), order_key(values)
        low, high = tf.gather(splits, row), tf.gather(splits, row + 1)
        for _ in range(self.most_cuts.bit_length()):
            middle = (low + high) // 2
            at = tf.gather(cuts, tf.minimum(middle, self.n_cut - 1))
            right = tf.logical_and(low < high, at <= keys)
            low, high = tf.where(right, middle + 1, low), tf.where(right, high, middle)
        found = tf.gather(tf.convert_to_tensor(self.ids), low + row)
        missing = tf.gather(tf.convert_to_tensor(self.nan_ids), row)
        return tf.where(tf.math.is_nan(values), missing, found)

    def compute_output_spec(self, key: Any, value: Any) -> Any:
        """Sparse [batch, 2**out_bits]."""
        return keras.KerasTensor((key.shape[0], 1 << self.out_bits), "float32", sparse=True)

    def get_config(self) -> dict[str, Any]:
        """Sizes and rules; the table itself is saved as weights."""
        return super().get_config() | {
            "n_feature": self.n_feature,
            "n_cut": self.n_cut,
            "most_cuts": self.most_cuts,
            "out_bits": self.out_bits,
            "unknown_rule": self.unknown.rule.value,
            "unknown_ids": (self.unknown.first, self.unknown.stop),
            "keep_inputs": self.keep_inputs,
        }
