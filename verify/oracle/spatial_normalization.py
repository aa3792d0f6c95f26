"""Normalization of images by their surroundings: across channels, or across space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verify.oracle.base import Array, Env, Op, OracleError, op
from verify.oracle.correlation import Geometry, correlate, input_gradient

if TYPE_CHECKING:
    from migrate.graph import Module


@op("nn.SpatialCrossMapLRN", "nn.SpatialCrossResponseNormalization")
class SpatialCrossMapLRN(Op):
    """y = x · (k + alpha/size · Σ x²)^-beta, the sum over ``size`` neighbouring channels."""

    def setup(self) -> None:
        node = self.node
        self.size = node.integer("size", 5)
        self.alpha, self.beta = node.number("alpha", 1e-4), node.number("beta", 0.75)
        self.k = node.number("k", node.number("K", 1))

    def _across(self, x: Array) -> Array:
        """Sums over the neighbouring channels."""
        half = (self.size - 1) // 2
        channels = x.shape[-3]
        band = np.abs(np.subtract.outer(np.arange(channels), np.arange(channels))) <= half
        sums: Array = np.einsum("dc,...chw->...dhw", band.astype(np.float64), x)
        return sums

    def _scale(self, x: Array) -> Array:
        return self.k + self.alpha / self.size * self._across(np.square(x, dtype=np.float64))

    def forward(self, x: Array) -> Array:
        return (x * self._scale(x) ** -self.beta).astype(x.dtype)

    def backward(self, x: Array, gy: Array) -> Array:
        scale = self._scale(x)
        power = scale**-self.beta
        spread = self._across(gy * x * power / scale)
        gx = gy * power - 2 * self.alpha * self.beta / self.size * x * spread
        return gx.astype(x.dtype)


class _Estimator:
    """A linked ``Sequential`` that averages every pixel's surroundings over all channels.

    It pads, convolves (in one step, or along the width and then along the height), and repeats the
    one resulting plane for every channel. Its weights are fixed.
    """

    def __init__(self, node: Module) -> None:
        steps = {child.short_class: child for child in node.children}
        try:
            padding, convolution = steps["SpatialZeroPadding"], steps["SpatialConvolution"]
        except KeyError as error:
            raise OracleError(f"{node}: an estimator without {error}") from None
        self.kernel = convolution.array("weight").astype(np.float64)
        self.kernel = self.kernel.reshape(1, -1, *self.kernel.shape[-2:])
        if "SpatialConvolutionMap" in steps:  # one row a channel
            self.kernel = self.kernel * steps["SpatialConvolutionMap"].array("weight")[None]
        self.walk = Geometry(
            self.kernel.shape[-2:],
            (1, 1),
            (padding.integer("pad_t"), padding.integer("pad_l")),
            (1, 1),
        )

    def forward(self, x: Array) -> Array:
        """float64 [N, C, H, W] to [N, 1, H, W]."""
        return correlate(x, self.kernel, self.walk)

    def backward(self, x: Array, gy: Array) -> Array:
        """``gy`` is [N, 1, H, W]."""
        return input_gradient(gy, self.kernel, x.shape[2:], self.walk)

    def coefficient(self, x: Array) -> Array:
        """What an image of ones gives: less than one where the surroundings leave the image."""
        return self.forward(np.ones((1, *x.shape[1:])))


class _Local(Op):
    """Base: works on batches in float64."""

    def forward(self, x: Array) -> Array:
        batch = x.reshape(-1, *x.shape[-3:]).astype(np.float64)
        return self.run(batch).reshape(x.shape).astype(x.dtype)

    def backward(self, x: Array, gy: Array) -> Array:
        batch = x.reshape(-1, *x.shape[-3:]).astype(np.float64)
        grads = gy.reshape(batch.shape).astype(np.float64)
        return self.run_backward(batch, grads).reshape(x.shape).astype(x.dtype)

    def run(self, x: Array) -> Array:
        """Forward of a batch."""
        raise NotImplementedError

    def run_backward(self, x: Array, gy: Array) -> Array:
        """Backward of a batch."""
        raise NotImplementedError


@op("nn.SpatialSubtractiveNormalization")
class SpatialSubtractiveNormalization(_Local):
    """x minus the mean of its surroundings; the border counts only what is inside the image."""

    def setup(self) -> None:
        self.mean = _Estimator(self.node.links["meanestimator"])

    def run(self, x: Array) -> Array:
        return x - self.mean.forward(x) / self.mean.coefficient(x)

    def run_backward(self, x: Array, gy: Array) -> Array:
        shared = gy.sum(axis=1, keepdims=True) / self.mean.coefficient(x)
        return gy - self.mean.backward(x, shared)


@op("nn.SpatialDivisiveNormalization")
class SpatialDivisiveNormalization(_Local):
    """x divided by the root mean square of its surroundings, where that exceeds ``threshold``."""

    def setup(self) -> None:
        node = self.node
        self.mean = _Estimator(node.links["meanestimator"])
        self.std = _Estimator(node.links["stdestimator"])
        self.threshold = node.number("threshold", 1e-4)
        self.value = node.number("thresval", self.threshold)

    def _divisor(self, x: Array) -> tuple[Array, Array, Array]:
        """(root of the local sums, what they are divided by, what x is divided by)."""
        root = np.sqrt(self.std.forward(np.square(x)))
        coefficient = self.mean.coefficient(x)
        adjusted = root / coefficient
        return root, coefficient, np.where(adjusted > self.threshold, adjusted, self.value)

    def run(self, x: Array) -> Array:
        *_, divisor = self._divisor(x)
        return np.divide(x, divisor)

    def run_backward(self, x: Array, gy: Array) -> Array:
        root, coefficient, divisor = self._divisor(x)
        shared = (-gy * x / np.square(divisor)).sum(axis=1, keepdims=True)
        shared = np.where(root / coefficient > self.threshold, shared, 0) / coefficient
        shared = np.divide(0.5 * shared, root, where=root != 0, out=np.zeros_like(root))
        return gy / divisor + 2 * x * self.std.backward(x, shared)


@op("nn.SpatialContrastiveNormalization")
class SpatialContrastiveNormalization(Op):
    """The linked ``normalizer``: subtractive, then divisive."""

    def __init__(self, node: Module, env: Env) -> None:
        super().__init__(node, env)
        self.normalizer = env.build(node.links["normalizer"])

    def forward(self, x: Array) -> Array:
        y: Array = self.normalizer.forward(x)
        return y

    def backward(self, x: Array, gy: Array) -> Array:
        gx: Array = self.normalizer.backward(x, gy)
        return gx
