"""Images of another size by linear interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from deepbird_v2.layers.geometry import spatial_shape

__all__ = ["LinearResampling"]


@keras.saving.register_keras_serializable("deepbird")
class LinearResampling(keras.layers.Layer):
    """[N, *S, C] to [N, *output_size, C] by interpolation; corners stay corners.

    Args:
        output_size: along each spatial axis.
    """

    def __init__(self, output_size: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_size = tuple(output_size)

    def call(self, x: Any) -> Any:
        """See the class."""
        ops = keras.ops
        for axis, n in enumerate(spatial_shape(self, x.shape), 1):
            low, share = positions(n, self.output_size[axis - 1])
            shape = [1] * len(x.shape)
            shape[axis] = len(share)
            weight = ops.convert_to_tensor(share.reshape(shape), x.dtype)
            high = np.minimum(low + 1, n - 1)
            x = ops.take(x, low, axis) * (1 - weight) + ops.take(x, high, axis) * weight
        return x

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """[N, *output_size, C]."""
        return (input_shape[0], *self.output_size, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return super().get_config() | {"output_size": self.output_size}


def positions(size: int, out: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(pixel before, share of the pixel after) of each of ``out`` pixels; in float32."""
    step = np.float32(size - 1) / np.float32(out - 1) if out > 1 else np.float32(0)
    at = step * np.arange(out, dtype=np.float32)
    low = at.astype(np.int32)
    return low, at - low.astype(np.float32)
