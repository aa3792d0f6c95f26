"""A fully connected layer on sparse rows."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["FullSparse", "segment_sum"]


def segment_sum(entries: Any, rows: Any, batch: Any) -> Any:
    """The sum of the entries of each row.

    Args:
        entries: [nnz, units].
        rows: int64[nnz]; fastest when ascending, right in any order.
        batch: int64 scalar, number of rows; rows without entries give zeros.

    Returns:
        [batch, units].
    """

    def ascending() -> Any:
        sums = tf.math.segment_sum(entries, rows)
        return tf.pad(sums, [[0, batch - tf.shape(sums, out_type=tf.int64)[0]], [0, 0]])

    def mixed() -> Any:
        return tf.math.unsorted_segment_sum(entries, rows, batch)

    return tf.cond(tf.reduce_all(rows[1:] >= rows[:-1]), ascending, mixed)


@keras.saving.register_keras_serializable("deepbird")
class FullSparse(keras.layers.Layer):
    """y = x · kernel + bias for a sparse x, touching only the rows of the kernel that x names.

    The kernel's gradient is sparse (``tf.IndexedSlices``, one slice an entry). Repeated keys of a
    row add up.

    Args:
        units: number of outputs.
        activation: as in ``keras.layers.Dense``.
        use_bias: add a bias.
        use_binary_values: take every stored value as 1.
        weight_decay: adds ``weight_decay * kernel`` to the kernel's gradient at each backward
            pass; a value other than 0 makes the gradient dense.
        kernel_initializer: of the kernel.
        bias_initializer: of the bias.

    Call arguments:
        sparse: ``tf.SparseTensor`` [batch, width], keys from 0.

    Returns:
        [batch, units].
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        use_binary_values: bool = False,
        weight_decay: float = 0.0,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_jit = False  # XLA needs to know the number of entries
        self.units = units
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.use_binary_values = use_binary_values
        self.weight_decay = weight_decay
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        """Make the variables."""
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], self.units), initializer=self.kernel_initializer
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.units,), initializer=self.bias_initializer
            )
        self.built = True

    def call(self, sparse: Any) -> Any:
        """See the class."""
        rows, keys = sparse.indices[:, 0], sparse.indices[:, 1]
        entries = tf.gather(self.kernel.value, keys)
        if not self.use_binary_values:
            entries *= tf.cast(sparse.values, entries.dtype)[:, None]
        y = segment_sum(entries, rows, tf.cast(sparse.dense_shape[0], tf.int64))
        if self.use_bias:
            y += self.bias
        if self.weight_decay:
            y = _decay(self.weight_decay, y, tf.convert_to_tensor(self.kernel.value))
        return self.activation(y)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, int]:
        """(batch, units)."""
        return (input_shape[0], self.units)

    def compute_output_spec(self, sparse: Any) -> Any:
        """A dense tensor."""
        return keras.KerasTensor(self.compute_output_shape(sparse.shape), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "use_binary_values": self.use_binary_values,
            "weight_decay": self.weight_decay,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }


def _decay(rate: float, y: Any, kernel: Any) -> Any:
    """``y``; backward gives ``rate * kernel`` to the kernel."""

    @tf.custom_gradient
    def through(y: Any, kernel: Any) -> Any:
        return tf.identity(y), lambda gy: (gy, rate * kernel)

    return through(y, kernel)
