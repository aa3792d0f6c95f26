"""Modules that add noise in training: dropouts and ``nn.WhiteNoise``."""

from __future__ import annotations

from typing import Any

from verify.oracle.base import Array, Op, OracleError, op


@op("nn.Dropout")
class Dropout(Op):
    """Drops elements with probability p.

    Version 2 scales what is left by 1/(1-p) in training; version 1, and files that do not say,
    scale everything by 1-p in evaluation.
    """

    spatial_axes: int | None = None  # None: every element is dropped by itself

    def setup(self) -> None:
        """Read the probability, the version, and when noise is drawn."""
        self.p = self.node.number("p", 0.5)
        self.v2 = self.node.flag("v2")
        self.always = self.node.flag("stochastic_inference")
        self.noise: Array | None = None

    @property
    def noisy(self) -> bool:
        """Whether this forward draws; a file without the field ``train`` never trains."""
        trains = self.training and self.node.get("train") is not None
        return trains or self.always

    def forward(self, x: Array) -> Array:
        """X times the noise, or times 1-p."""
        self.noise = self._draw(x) if self.noisy else None
        y: Array = x * self._factor(x)
        return y

    def backward(self, x: Array, gy: Array) -> Array:
        """The gradient through the noise of the last forward."""
        gx: Array = gy * self._factor(x)
        return gx

    def _factor(self, x: Array) -> Any:
        if self.noise is not None:
            return self.noise
        return x.dtype.type(1.0 if self.v2 else 1.0 - self.p)

    def _draw(self, x: Array) -> Array | None:
        if self.p == 0:  # Torch draws nothing
            return None
        noise = self.env.generator.bernoulli(1.0 - self.p, self._noise_shape(x)).astype(x.dtype)
        return noise / x.dtype.type(1.0 - self.p) if self.v2 else noise

    def _noise_shape(self, x: Array) -> tuple[int, ...]:
        return tuple(x.shape)


class _PlaneDropout(Dropout):
    """Drops whole feature planes; Torch knows it in version 1 only."""

    spatial_axes: int = 2

    def setup(self) -> None:
        """As a dropout of version 1."""
        super().setup()
        self.v2 = False

    def _draw(self, x: Array) -> Array:
        shape = self._noise_shape(x)
        return self.env.generator.bernoulli(1.0 - self.p, shape).astype(x.dtype)

    def _noise_shape(self, x: Array) -> tuple[int, ...]:
        if x.ndim not in (self.spatial_axes + 1, self.spatial_axes + 2):
            raise OracleError(
                f"{self.node}: takes {self.spatial_axes + 1} or {self.spatial_axes + 2} "
                f"dimensions, got shape {x.shape}"
            )
        return (*x.shape[: -self.spatial_axes], *[1] * self.spatial_axes)


@op("nn.SpatialDropout")
class SpatialDropout(_PlaneDropout):
    """Planes of (batch, plane, height, width)."""


@op("nn.VolumetricDropout")
class VolumetricDropout(_PlaneDropout):
    """Planes of (batch, plane, time, height, width)."""

    spatial_axes = 3


@op("nn.WhiteNoise")
class WhiteNoise(Op):
    """Adds normal noise in training, its mean in evaluation."""

    def forward(self, x: Array) -> Array:
        """X plus noise."""
        mean, std = self.node.number("mean", 0.0), self.node.number("std", 0.1)
        if self.training:
            return x + self.env.generator.normal(x.shape, mean, std, x.dtype)
        y: Array = x + x.dtype.type(mean)
        return y

    def backward(self, x: Array, gy: Array) -> Array:
        """The gradient as it is."""
        return gy.copy()
