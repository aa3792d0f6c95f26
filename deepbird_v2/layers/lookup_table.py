"""Rows of a table by number, and one-hot rows."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["LookupTable", "OneHotRows"]


@keras.saving.register_keras_serializable("deepbird")
class LookupTable(keras.layers.Layer):
    """An embedding whose rows can be bounded in length and whose gradients can be scaled.

    The gradient of the table is sparse (``tf.IndexedSlices``). A row number outside the table is
    an error.

    Args:
        rows: number of rows.
        shape: of a row.
        padding: number of a row that gets no gradient; None for none.
        max_norm: rows longer than this are shortened to it before they are used, in training in
            the table itself; the gradient does not see it.
        norm_type: p of the norm.
        scale_by_frequency: divide each gradient by how often the batch names its row.

    Call arguments:
        numbers: int tensor of any shape, from 0.

    Returns:
        [*numbers.shape, *shape].
    """

    def __init__(
        self,
        rows: int,
        shape: tuple[int, ...],
        padding: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_by_frequency: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_jit = not scale_by_frequency  # XLA cannot count distinct rows
        self.rows = rows
        self.shape = tuple(shape)
        self.padding = padding
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_by_frequency = scale_by_frequency

    def build(self, input_shape: Any) -> None:
        """Make the table."""
        self.table = self.add_weight(
            name="table", shape=(self.rows, *self.shape), initializer="uniform"
        )
        self.built = True

    def call(self, numbers: Any, training: bool = False) -> Any:
        """See the class."""
        flat = tf.reshape(numbers, [-1])
        entries = tf.gather(self.table.value, flat)
        if self.max_norm is not None:
            short = self._shortened(entries)
            if training:
                self.table.value.scatter_update(tf.IndexedSlices(short, flat))
            entries += tf.stop_gradient(short - entries)
        if self.padding is not None or self.scale_by_frequency:
            scale = tf.reshape(self._gradient_scale(flat), [-1, *[1] * len(self.shape)])
            entries = _scale_gradient(entries, scale)
        return tf.reshape(entries, tf.concat([tf.shape(numbers), self.shape], axis=0))

    def _shortened(self, entries: Any) -> Any:
        axes = list(range(1, len(self.shape) + 1))
        powers = tf.reduce_sum(tf.abs(entries) ** self.norm_type, axes, keepdims=True)
        norm = powers ** (1 / self.norm_type)
        limit = tf.constant(self.max_norm, norm.dtype)
        factor = tf.cast(limit, tf.float64) / (tf.cast(norm, tf.float64) + 1e-7)
        return tf.where(norm > limit, entries * tf.cast(factor, entries.dtype), entries)

    def _gradient_scale(self, flat: Any) -> Any:
        scale = tf.ones(tf.shape(flat), self.compute_dtype)
        if self.scale_by_frequency:
            _, position, count = tf.unique_with_counts(flat)
            scale /= tf.cast(tf.gather(count, position), scale.dtype)
        if self.padding is not None:
            scale = tf.where(tf.equal(flat, self.padding), tf.zeros_like(scale), scale)
        return scale

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """The input's shape and a row's."""
        return (*input_shape, *self.shape)

    def compute_output_spec(self, numbers: Any, training: bool = False) -> Any:
        """Rows of the table's type."""
        return keras.KerasTensor(self.compute_output_shape(numbers.shape), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        config: dict[str, Any] = super().get_config()
        return config | {
            "rows": self.rows,
            "shape": self.shape,
            "padding": self.padding,
            "max_norm": self.max_norm,
            "norm_type": self.norm_type,
            "scale_by_frequency": self.scale_by_frequency,
        }


@keras.saving.register_keras_serializable("deepbird")
class OneHotRows(keras.layers.Layer):
    """A last axis with a 1 where the input says; a number outside it is an error.

    Args:
        size: of the new axis.

    Call arguments:
        numbers: int64 tensor of any shape, from 0.

    Returns:
        [*numbers.shape, size].
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def call(self, numbers: Any) -> Any:
        """See the class."""
        flat = tf.reshape(numbers, [-1])
        count = tf.size(flat, out_type=flat.dtype)
        places = tf.stack([tf.range(count), flat], axis=1)
        ones = tf.ones(tf.shape(flat), self.compute_dtype)
        rows = tf.scatter_nd(places, ones, [count, self.size])
        return tf.reshape(rows, tf.concat([tf.shape(numbers), [self.size]], axis=0))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """The input's shape and the new axis."""
        return (*input_shape, self.size)

    def compute_output_spec(self, numbers: Any) -> Any:
        """Zeros and ones of the layer's type."""
        return keras.KerasTensor(self.compute_output_shape(numbers.shape), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The size."""
        config: dict[str, Any] = super().get_config()
        return config | {"size": self.size}


@tf.custom_gradient
def _scale_gradient(entries: Any, scale: Any) -> Any:
    """``entries``; their gradient is multiplied by ``scale``."""
    return tf.identity(entries), lambda gy: (gy * scale, None)
