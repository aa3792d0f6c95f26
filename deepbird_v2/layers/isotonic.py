"""Keras layer of isotonic calibration."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepbird_v2.calibration.isotonic import check_points
from deepbird_v2.discretizers.percentile import tie_bins

__all__ = ["Isotonic"]


@keras.saving.register_keras_serializable("deepbird")
class Isotonic(keras.layers.Layer):
    """Piecewise linear between calibrated points, clamped outside them.

    The points are compared and interpolated in ``point_dtype``; the output has that type, too.

    Args:
        n_bin: number of points.
        point_dtype: type of the points.

    Call arguments:
        x: any shape.
    """

    def __init__(self, n_bin: int, point_dtype: str = "float64", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_bin, self.point_dtype = n_bin, point_dtype
        self.xs = self._state("xs", point_dtype)
        self.ys = self._state("ys", point_dtype)
        self.ties = self._state("ties", "int64")
        self.built = True

    def _state(self, name: str, dtype: str) -> Any:
        return self.add_weight(
            shape=(self.n_bin,),
            dtype=dtype,
            name=name,
            initializer="zeros",
            trainable=False,
            autocast=False,
        )

    @classmethod
    def from_points(
        cls, xs: np.ndarray[Any, Any], ys: np.ndarray[Any, Any], **kwargs: Any
    ) -> Isotonic:
        """The layer of calibrated points.

        Args:
            xs: [n] ascending scores.
            ys: [n] ascending probabilities.
            kwargs: for the layer.

        Raises:
            CalibrationError: they are no ascending map.
        """
        check_points(xs, ys)
        layer = cls(len(xs), str(xs.dtype), **kwargs)
        layer.xs.assign(xs)
        layer.ys.assign(ys)
        layer.ties.assign(tie_bins(xs[np.newaxis])[0])
        return layer

    def call(self, x: Any) -> Any:
        """See the class."""
        xs, ys = tf.convert_to_tensor(self.xs), tf.convert_to_tensor(self.ys)
        flat = tf.reshape(tf.cast(x, self.point_dtype), [-1])
        last = self.n_bin - 1
        at = tf.searchsorted(xs, flat, side="right", out_type=tf.int64) - 1
        at = tf.clip_by_value(at, 0, last)
        tied = tf.equal(tf.gather(xs, at), flat)
        left = tf.where(tied, tf.gather(tf.convert_to_tensor(self.ties), at), at)
        right = tf.minimum(left + 1, last)
        x0, y0 = tf.gather(xs, left), tf.gather(ys, left)
        width = tf.gather(xs, right) - x0
        slope = tf.math.divide_no_nan(flat - x0, width)
        y = y0 + (tf.gather(ys, right) - y0) * slope
        y = tf.where(flat >= xs[-1], ys[-1], y)
        y = tf.where(flat > xs[0], y, ys[0])
        return tf.reshape(y, tf.shape(x))

    def compute_output_spec(self, x: Any) -> Any:
        """The input's shape, in the points' type."""
        return keras.KerasTensor(x.shape, self.point_dtype)

    def get_config(self) -> dict[str, Any]:
        """Sizes and types; the points are saved as weights."""
        return super().get_config() | {"n_bin": self.n_bin, "point_dtype": self.point_dtype}
