"""Convolutions of images, volumes and sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from verify.oracle.base import Array, Op, OracleError, op
from verify.oracle.correlation import (
    Geometry,
    correlate,
    input_gradient,
    overlap_add,
    weight_gradient,
    windows,
)

if TYPE_CHECKING:
    from migrate.graph import Module

# Dimensions in the order of the data; fields are named kT, dH, padW, ...
SPATIAL, VOLUMETRIC = "HW", "THW"


def _axes(node: Module) -> str:
    return VOLUMETRIC if node.short_class.startswith("Volumetric") else SPATIAL


def _geometry(node: Module, axes: str) -> Geometry:
    """Fields that old files lack are 0 (padding) or 1 (dilation, groups)."""
    return Geometry(
        kernel=tuple(node.integer(f"k{a}") for a in axes),
        stride=tuple(node.integer(f"d{a}", 1) for a in axes),
        pad=tuple(node.integer(f"pad{a}", node.integer("padding", 0)) for a in axes),
        dilation=tuple(node.integer(f"dilation{a}", 1) for a in axes),
        groups=node.integer("groups", 1),
    )


def _over_space(bias: Array, rank: int) -> Array:
    return bias.reshape(-1, *[1] * rank)


class _Planes(Op):
    """Base: [N, C, *S] to [N, O, *S']; adds a batch dimension where there is none."""

    rank: int

    def forward(self, x: Any) -> Any:
        batched = x.ndim == self.rank + 2
        if not batched and x.ndim != self.rank + 1:
            raise OracleError(
                f"{self.node}: takes {self.rank + 1} or {self.rank + 2} dimensions, got {x.shape}"
            )
        y = self.run(x if batched else x[None])
        return y if batched else y[0]

    def backward(self, x: Any, gy: Any) -> Any:
        if x.ndim == self.rank + 2:
            return self.run_backward(x, gy)
        return self.run_backward(x[None], gy[None])[0]

    def run(self, x: Array) -> Array:
        """Forward of a batch."""
        raise NotImplementedError

    def run_backward(self, x: Array, gy: Array) -> Array:
        """Backward of a batch."""
        raise NotImplementedError

    def add_bias(self, y: Array) -> Array:
        """``y`` plus the bias of each output plane."""
        return y + _over_space(self.params["bias"], self.rank) if "bias" in self.params else y

    def bias_backward(self, gy: Array) -> None:
        """Accumulate the gradient of the bias of each output plane."""
        if "bias" in self.params:
            other = (0, *range(2, gy.ndim))
            self.grads["bias"] += gy.sum(axis=other, dtype=np.float64)


@op(
    "nn.SpatialConvolution",
    "nn.SpatialConvolutionMM",
    "nn.SpatialDilatedConvolution",
    "nn.VolumetricConvolution",
    "nn.VolumetricDilatedConvolution",
)
class Convolution(_Planes):
    """Cross-correlation; the weight is (out, in/groups, *kernel), in MM and old files 2-D."""

    def setup(self) -> None:
        self.rank = len(_axes(self.node))
        self.geometry = _geometry(self.node, _axes(self.node))
        if self.node.class_name != "nn.SpatialConvolutionMM":
            shape = (len(self.params["weight"]), -1, *self.geometry.kernel)
            for tensors in (self.params, self.grads):
                tensors["weight"] = tensors["weight"].reshape(shape)

    @property
    def weight(self) -> Array:
        """(out, in/groups, *kernel)."""
        flat = self.params["weight"]
        return flat.reshape(len(flat), -1, *self.geometry.kernel)

    def run(self, x: Array) -> Array:
        return self.add_bias(correlate(x, self.weight, self.geometry))

    def run_backward(self, x: Array, gy: Array) -> Array:
        grad = self.grads["weight"]
        grad += weight_gradient(x, gy, self.geometry).reshape(grad.shape)
        self.bias_backward(gy)
        return input_gradient(gy, self.weight, x.shape[2:], self.geometry)


@op("nn.SpatialFullConvolution", "nn.VolumetricFullConvolution")
class FullConvolution(_Planes):
    """Transposed convolution; the weight is (in, out/groups, *kernel).

    The input may be a table {x, target}: the output is then as large as ``target``, as far as the
    stride allows, and the target's gradient is zero.
    """

    def setup(self) -> None:
        self.axes = _axes(self.node)
        self.rank = len(self.axes)
        self.geometry = _geometry(self.node, self.axes)
        self.adjust = tuple(self.node.integer(f"adj{a}", 0) for a in self.axes)

    def forward(self, x: Any) -> Any:
        return super().forward(self._image(x))

    def backward(self, x: Any, gy: Any) -> Any:
        gx = super().backward(self._image(x), gy)
        return [gx, np.zeros_like(x[1])] if isinstance(x, list) else gx

    def _image(self, x: Any) -> Array:
        if not isinstance(x, list):
            self.adjusted = self.adjust
            return np.asarray(x)
        g, target = self.geometry, x[1].shape[-self.rank :]
        self.adjusted = tuple(
            (n + 2 * p - k) % s
            for n, p, k, s in zip(target, g.pad, g.kernel, g.stride, strict=True)
        )
        return np.asarray(x[0])

    def run(self, x: Array) -> Array:
        size = self.geometry.full_size(x.shape[2:], self.adjusted)
        return self.add_bias(input_gradient(x, self.params["weight"], size, self.geometry))

    def run_backward(self, x: Array, gy: Array) -> Array:
        self.grads["weight"] += weight_gradient(gy, x, self.geometry)
        self.bias_backward(gy)
        return correlate(gy, self.params["weight"], self.geometry)


class _Mapped(_Planes):
    """Base: one small kernel per connection (from, to) of ``connTable``, 1-based."""

    transposed: ClassVar[bool] = False

    def setup(self) -> None:
        self.rank = 2
        self.geometry = _geometry(self.node, SPATIAL)
        pairs = self.node.array("connTable").astype(np.int64) - 1
        self.source, self.target = pairs[:, 0], pairs[:, 1]

    def dense(self) -> Array:
        """All connections as one weight; (out, in, kH, kW), transposed (in, out, kH, kW)."""
        outputs, inputs = self.node.integer("nOutputPlane"), self.node.integer("nInputPlane")
        weight = self.params["weight"]
        full = np.zeros((outputs, inputs, *weight.shape[1:]), weight.dtype)
        np.add.at(full, (self.target, self.source), weight)
        return full.swapaxes(0, 1) if self.transposed else full

    def collect(self, dense: Array) -> None:
        """Accumulate the gradient of the dense weight into the connections'."""
        full = dense.swapaxes(0, 1) if self.transposed else dense
        self.grads["weight"] += full[self.target, self.source]


@op("nn.SpatialConvolutionMap")
class SpatialConvolutionMap(_Mapped):
    """Cross-correlation in which not every input plane is seen by every output plane."""

    def run(self, x: Array) -> Array:
        return self.add_bias(correlate(x, self.dense(), self.geometry))

    def run_backward(self, x: Array, gy: Array) -> Array:
        self.collect(weight_gradient(x, gy, self.geometry))
        self.bias_backward(gy)
        return input_gradient(gy, self.dense(), x.shape[2:], self.geometry)


@op("nn.SpatialFullConvolutionMap")
class SpatialFullConvolutionMap(_Mapped):
    """The transposed twin of :class:`SpatialConvolutionMap`."""

    transposed = True

    def run(self, x: Array) -> Array:
        size = self.geometry.full_size(x.shape[2:], (0, 0))
        return self.add_bias(input_gradient(x, self.dense(), size, self.geometry))

    def run_backward(self, x: Array, gy: Array) -> Array:
        self.collect(weight_gradient(gy, x, self.geometry))
        self.bias_backward(gy)
        return correlate(gy, self.dense(), self.geometry)


@op("nn.SpatialConvolutionLocal")
class SpatialConvolutionLocal(_Planes):
    """A kernel of its own for every output position: weight (oH, oW, out, in, kH, kW)."""

    def setup(self) -> None:
        self.rank = 2
        self.geometry = _geometry(self.node, SPATIAL)
        self.out = (self.node.integer("oH"), self.node.integer("oW"))
        self.planes = self.node.integer("nOutputPlane")

    def _kernels(self) -> Array:
        """float64 [positions, out, in·kH·kW]."""
        positions = self.out[0] * self.out[1]
        return self.params["weight"].reshape(positions, self.planes, -1).astype(np.float64)

    def _rows(self, x: Array) -> Array:
        """The windows of ``x``, float64 [positions, N, in·kH·kW]."""
        rows, _ = windows(x, self.geometry)
        return rows.reshape(len(x), -1, rows.shape[-1]).swapaxes(0, 1)

    def run(self, x: Array) -> Array:
        y = self._rows(x) @ self._kernels().transpose(0, 2, 1)  # [positions, N, out]
        y = y.transpose(1, 2, 0).reshape(len(x), self.planes, *self.out).astype(x.dtype)
        return y + self.params["bias"].reshape(self.planes, *self.out)

    def run_backward(self, x: Array, gy: Array) -> Array:
        flat = gy.reshape(len(x), self.planes, -1).transpose(2, 1, 0).astype(np.float64)
        weight, bias = self.grads["weight"], self.grads["bias"]
        weight += (flat @ self._rows(x)).reshape(weight.shape)
        bias += gy.sum(axis=0).reshape(bias.shape)
        rows = flat.transpose(0, 2, 1) @ self._kernels()  # [positions, N, in·kH·kW]
        columns = rows.swapaxes(0, 1)[None]
        return overlap_add(columns, gy.shape, x.shape[2:], self.geometry).astype(x.dtype)


@op("nn.SpatialDepthWiseConvolution")
class SpatialDepthWiseConvolution(_Planes):
    """Every input plane by itself through ``nOutputPlane`` kernels; weight (out, in, kH, kW).

    Torch takes the height of a plane for its width and the other way round, without moving any
    element: a plane that is not square is read as one of the other shape.
    """

    def setup(self) -> None:
        self.rank = 2
        plain = _geometry(self.node, SPATIAL)
        self.planes = self.node.integer("nInputPlane")
        self.geometry = Geometry(
            plain.kernel, plain.stride, plain.pad, plain.dilation, groups=self.planes
        )
        shape = (len(self.params["weight"]), self.planes, *plain.kernel)
        for tensors in (self.params, self.grads):
            tensors["weight"] = tensors["weight"].reshape(shape)

    def _weight(self) -> Array:
        """(in·out, 1, kH, kW)."""
        return self.params["weight"].swapaxes(0, 1).reshape(-1, 1, *self.geometry.kernel)

    @staticmethod
    def _swapped(x: Array) -> Array:
        return x.reshape(*x.shape[:-2], x.shape[-1], x.shape[-2])

    def run(self, x: Array) -> Array:
        y = correlate(self._swapped(x), self._weight(), self.geometry)
        if "bias" in self.params:
            y = y + _over_space(self.params["bias"].T, 2)
        return y

    def run_backward(self, x: Array, gy: Array) -> Array:
        read = self._swapped(x)
        grad = weight_gradient(read, gy, self.geometry)
        shape = self.params["weight"].shape
        self.grads["weight"] += grad.reshape(shape[1], shape[0], *shape[2:]).swapaxes(0, 1)
        if "bias" in self.params:
            self.grads["bias"] += gy.sum(axis=(0, 2, 3)).reshape(self.params["bias"].T.shape).T
        gx = input_gradient(gy, self._weight(), read.shape[2:], self.geometry)
        return gx.reshape(x.shape)


class _Sequences(_Planes):
    """Base: [N, frames, features], correlated over frames."""

    rank = 1
    geometry: Geometry

    def weight(self) -> Array:
        """(out, in/groups, kernel)."""
        raise NotImplementedError

    def collect(self, grad: Array) -> None:
        """Accumulate the gradient of :meth:`weight`."""
        raise NotImplementedError

    def run(self, x: Array) -> Array:
        y = correlate(x.swapaxes(1, 2), self.weight(), self.geometry)
        return self.add_bias(y).swapaxes(1, 2)

    def run_backward(self, x: Array, gy: Array) -> Array:
        planes, grads = x.swapaxes(1, 2), gy.swapaxes(1, 2)
        self.collect(weight_gradient(planes, grads, self.geometry))
        self.bias_backward(grads)
        gx = input_gradient(grads, self.weight(), planes.shape[2:], self.geometry)
        return gx.swapaxes(1, 2)


@op("nn.TemporalConvolution")
class TemporalConvolution(_Sequences):
    """Weight (out, kW·in), frames outermost; cudnn's twin counts frames by H, not W."""

    def setup(self) -> None:
        a = "H" if self.node.source_class.startswith("cudnn.") else "W"
        self.inputs = self.node.integer("inputFrameSize")
        kernel, stride = self.node.integer(f"k{a}"), self.node.integer(f"d{a}", 1)
        pad = self.node.integer(f"pad{a}", 0)
        self.geometry = Geometry((kernel,), (stride,), (pad,), (1,))

    def weight(self) -> Array:
        flat = self.params["weight"]
        return flat.reshape(len(flat), -1, self.inputs).swapaxes(1, 2)

    def collect(self, grad: Array) -> None:
        mine = self.grads["weight"]
        mine += grad.swapaxes(1, 2).reshape(mine.shape)


@op("nn.TemporalRowConvolution")
class TemporalRowConvolution(_Sequences):
    """Every feature by itself; with ``featFirst`` the data are [N, features, frames]."""

    def setup(self) -> None:
        node = self.node
        self.feature_first = node.flag("featFirst")
        self.geometry = Geometry(
            (node.integer("kW"),),
            (node.integer("dW", 1),),
            (0,),
            (1,),
            groups=node.integer("inputFrameSize"),
        )

    def weight(self) -> Array:
        return self.params["weight"]

    def collect(self, grad: Array) -> None:
        self.grads["weight"] += grad

    def run(self, x: Array) -> Array:
        if self.feature_first:
            return super().run(x.swapaxes(1, 2)).swapaxes(1, 2)
        return super().run(x)

    def run_backward(self, x: Array, gy: Array) -> Array:
        if self.feature_first:
            return super().run_backward(x.swapaxes(1, 2), gy.swapaxes(1, 2)).swapaxes(1, 2)
        return super().run_backward(x, gy)
