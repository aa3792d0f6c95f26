"""Dropouts that Keras lacks: scaled at inference, of whole planes, drawing at inference too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import keras
from keras import ops

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BernoulliDropout", "WhiteNoise"]


@keras.saving.register_keras_serializable("deepbird")
class BernoulliDropout(keras.layers.Layer):
    """Drops elements, or whole planes, with probability ``rate``.

    Args:
        rate: probability of dropping, in [0, 1).
        scale: ``training`` divides what is kept by 1-rate, as Keras' own dropout does;
            ``inference`` leaves it, and multiplies everything by 1-rate at inference.
        shared_axes: axes along which elements are dropped together.
        always: draw at inference, too.
        seed: of the noise; None for a different one each time.

    Call arguments:
        x: any shape.
        training: whether to draw.
    """

    def __init__(
        self,
        rate: float,
        scale: Literal["training", "inference"] = "training",
        shared_axes: Sequence[int] = (),
        always: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate should be in [0, 1), got {rate}")
        self.rate, self.scale, self.always, self.seed = rate, scale, always, seed
        self.shared_axes = tuple(shared_axes)
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        """See the class."""
        if self.rate == 0:
            return x
        if not (training or self.always):
            return x if self.scale == "training" else x * (1.0 - self.rate)
        rank = len(x.shape)
        shared = {axis % rank for axis in self.shared_axes}
        shape = [1 if axis in shared else size for axis, size in enumerate(ops.shape(x))]
        draws = keras.random.uniform(shape, dtype=x.dtype, seed=self.generator)
        kept = ops.cast(draws >= self.rate, x.dtype)
        return x * (kept / (1.0 - self.rate) if self.scale == "training" else kept)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "rate": self.rate,
            "scale": self.scale,
            "shared_axes": list(self.shared_axes),
            "always": self.always,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("deepbird")
class WhiteNoise(keras.layers.Layer):
    """Adds normal noise in training, and the noise's mean at inference.

    Args:
        mean: of the noise.
        stddev: of the noise; any size, and unlike ``keras.layers.GaussianNoise`` with a mean.
        seed: of the noise; None for a different one each time.

    Call arguments:
        x: any shape.
        training: whether to draw.
    """

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.1, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.mean, self.stddev, self.seed = mean, stddev, seed
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        """See the class."""
        if not training:
            return x + self.mean
        return x + keras.random.normal(
            ops.shape(x), self.mean, self.stddev, dtype=x.dtype, seed=self.generator
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "mean": self.mean,
            "stddev": self.stddev,
            "seed": self.seed,
        }
