"""Pooling of images, volumes, sequences and features, and its inverse."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from verify.oracle import windows
from verify.oracle.base import Array, Env, Op, OracleError, op
from verify.oracle.containers import Sequential

if TYPE_CHECKING:
    from migrate.graph import Module

AXES = {"Spatial": "HW", "Volumetric": "THW", "Temporal": "W"}
# Packages whose pooling differs from nn's where the file does not say.
ALWAYS_CEIL = ("inn.",)
ALWAYS_DIVIDE = ("cudnn.", "inn.")


def _axes(node: Module) -> str:
    return next(axes for prefix, axes in AXES.items() if node.short_class.startswith(prefix))


def _sizes(node: Module, stem: str, default: int | None = None) -> tuple[int, ...]:
    return tuple(node.integer(f"{stem}{axis}", default) for axis in _axes(node))


class Walk(NamedTuple):
    """The windows over an image.

    Attributes:
        table: positions that each sees, see :mod:`verify.oracle.windows`.
        size: of the image.
        out: number of windows along each axis.
    """

    table: Array
    size: tuple[int, ...]
    out: tuple[int, ...]


class _Pooling(Op):
    """Base: [N, C, *S] to [N, C, *S']; sequences come as [N, frames, features]."""

    def setup(self) -> None:
        self.rank = len(_axes(self.node))

    def forward(self, x: Array) -> Array:
        return self._leave(self.pool(self._enter(x)), x)

    def backward(self, x: Array, gy: Array) -> Array:
        return self._leave(self.pool_backward(self._enter(x), self._enter(gy)), x)

    def _enter(self, x: Array) -> Array:
        if x.ndim not in (self.rank + 1, self.rank + 2):
            raise OracleError(
                f"{self.node}: takes {self.rank + 1} or {self.rank + 2} dimensions, got {x.shape}"
            )
        x = x if x.ndim == self.rank + 2 else x[None]
        return x.swapaxes(1, 2) if self.rank == 1 else x

    def _leave(self, y: Array, x: Array) -> Array:
        y = y.swapaxes(1, 2) if self.rank == 1 else y
        return y.astype(x.dtype, copy=False) if x.ndim == y.ndim else y[0].astype(x.dtype)

    def pool(self, x: Array) -> Array:
        """Forward of a batch of planes."""
        raise NotImplementedError

    def pool_backward(self, x: Array, gy: Array) -> Array:
        """Backward of a batch of planes."""
        raise NotImplementedError

    def sliding(self, size: tuple[int, ...]) -> Walk:
        """The windows that the fields describe."""
        node = self.node
        kernel, stride = _sizes(node, "k"), _sizes(node, "d", 1)
        pad, dilation = _sizes(node, "pad", 0), _sizes(node, "dilation", 1)
        ceil = node.flag("ceil_mode", node.source_class.startswith(ALWAYS_CEIL))
        out = windows.output_sizes(size, kernel, stride, pad, dilation, ceil)
        if min(out) < 1:
            raise OracleError(f"{node}: the input {size} is smaller than the window {kernel}")
        tables = [
            windows.sliding(*of)
            for of in zip(size, kernel, stride, pad, dilation, out, strict=True)
        ]
        return Walk(windows.combine(tables, size), size, out)


class _Max(_Pooling):
    """Base: the largest of each window, the first of equals in raster order; NaN is not seen."""

    def walk(self, size: tuple[int, ...]) -> Walk:
        """The windows of an image."""
        raise NotImplementedError

    def pool(self, x: Array) -> Array:
        walk = self.walk(x.shape[2:])
        self.indices, y = largest(x, walk.table)
        self.input_size = walk.size
        return y.reshape(*x.shape[:2], *walk.out)

    def pool_backward(self, x: Array, gy: Array) -> Array:
        indices, _ = largest(x, self.walk(x.shape[2:]).table)
        return put(gy, indices, x.shape[2:])


def largest(x: Array, table: Array) -> tuple[Array, Array]:
    """(positions, values) of the largest of each window, [N, C, windows]; -1 where there is none.

    ``table`` is [windows, size], or [N, C, windows, size] where every plane has its own.
    """
    lowest = np.finfo(x.dtype).min
    flat = x.reshape(*x.shape[:2], -1)
    flat = np.where(flat > lowest, flat, lowest)
    if table.ndim == 2:
        seen = windows.gather(flat, table, lowest)
    else:
        seen = np.take_along_axis(flat[:, :, None], table, axis=3)
    first = seen.argmax(axis=3)[..., None]
    value = np.take_along_axis(seen, first, axis=3)[..., 0]
    place = np.take_along_axis(np.broadcast_to(table, seen.shape), first, axis=3)[..., 0]
    return np.where(value > lowest, place, windows.NOTHING), value


def put(gy: Array, indices: Array, size: tuple[int, ...]) -> Array:
    """Values added up at their positions of an image; those at -1 are dropped."""
    planes = np.zeros((math.prod(indices.shape[:2]), math.prod(size) + 1))
    rows = np.arange(len(planes))[:, None]
    np.add.at(planes, (rows, indices.reshape(len(planes), -1)), gy.reshape(len(planes), -1))
    return planes[:, :-1].reshape(*indices.shape[:2], *size)


@op(
    "nn.SpatialMaxPooling",
    "nn.SpatialDilatedMaxPooling",
    "nn.VolumetricMaxPooling",
    "nn.VolumetricDilatedMaxPooling",
    "nn.TemporalMaxPooling",
)
class MaxPooling(_Max):
    """Windows of kernel size kT, kH, kW; the padding is never the largest."""

    def walk(self, size: tuple[int, ...]) -> Walk:
        return self.sliding(size)


@op("nn.SpatialAdaptiveMaxPooling")
class SpatialAdaptiveMaxPooling(_Max):
    """H × W windows, whatever the input's size."""

    def walk(self, size: tuple[int, ...]) -> Walk:
        return _adaptive(self.node, size)


def _adaptive(node: Module, size: tuple[int, ...]) -> Walk:
    out = (node.integer("H"), node.integer("W"))
    tables = [windows.adaptive(n, count) for n, count in zip(size, out, strict=True)]
    return Walk(windows.combine(tables, size), size, out)


@op("nn.SpatialFractionalMaxPooling", "nn.VolumetricFractionalMaxPooling")
class FractionalMaxPooling(_Max):
    """Windows whose starts are drawn, for every plane anew; in evaluation, too.

    A plane takes one number an axis, from the last axis to the first. With ``newRandomPool`` (set
    by ``fixPoolingRegions``) the numbers in the file are used again. Volumes are height × width ×
    time here, unlike elsewhere.
    """

    def setup(self) -> None:
        super().setup()
        self.samples = (
            self.env.array(self.node, "randomSamples")
            if "randomSamples" in self.node.tensors and self.node.tensors["randomSamples"].size
            else None
        )

    def pool(self, x: Array) -> Array:
        shape = (*x.shape[:2], self.rank)
        kept = self.samples is not None and self.samples.shape == shape
        if not (kept and self.node.flag("newRandomPool")):
            numbers = self.env.generator.uniform(math.prod(shape))
            self.samples = numbers.reshape(shape).astype(x.dtype)
        return super().pool(x)

    def walk(self, size: tuple[int, ...]) -> Walk:
        """With a table for every plane, [N, C, windows, size]."""
        axes = "HWT"[: self.rank]
        out = tuple(map(self._out, axes, size))
        samples = cast("Array", self.samples)
        flat = np.zeros((*samples.shape[:2], 1, 1), np.int64)
        for i, axis in enumerate(axes):
            kernel = self.node.integer(f"poolSize{axis}")
            starts = _starts(samples[..., self.rank - 1 - i], size[i], out[i], kernel)
            places = starts[..., None] + np.arange(kernel)  # [N, C, out, kernel]
            flat = flat[..., :, None, :, None] * size[i] + places[:, :, None, :, None, :]
            flat = flat.reshape(*samples.shape[:2], -1, flat.shape[-2] * kernel)
        return Walk(flat, size, out)

    def _out(self, axis: str, n: int) -> int:
        if f"out{axis}" in self.node:
            return self.node.integer(f"out{axis}")
        return math.floor(n * self.node.number(f"ratio{axis}"))


def _starts(sample: Array, size: int, count: int, kernel: int) -> Array:
    """Where ``count`` windows start, for each number of ``sample``; in its arithmetic type."""
    real = sample.dtype.type
    starts = np.full((*sample.shape, count), size - kernel, np.int64)
    if count > 1:
        alpha = real(size - kernel) / real(count - 1)
        at = np.arange(count - 1, dtype=sample.dtype) + sample[..., None]
        first = (sample * alpha).astype(np.int64)[..., None]
        starts[..., :-1] = (at * alpha).astype(np.int64) - first
    return starts


class _Weighted(_Pooling):
    """Base: the sum of each window, times a factor of the window."""

    def walk(self, size: tuple[int, ...]) -> Walk:
        """The windows of an image."""
        return self.sliding(size)

    def factor(self, walk: Walk) -> Array:
        """[windows]."""
        raise NotImplementedError

    def pool(self, x: Array) -> Array:
        walk = self.walk(x.shape[2:])
        y = windows.gather(x, walk.table, 0).sum(axis=3, dtype=np.float64) * self.factor(walk)
        return cast("Array", y.reshape(*x.shape[:2], *walk.out))

    def pool_backward(self, x: Array, gy: Array) -> Array:
        walk = self.walk(x.shape[2:])
        each = gy.reshape(*gy.shape[:2], -1) * self.factor(walk)
        shares = np.broadcast_to(each[..., None], (*each.shape, walk.table.shape[1]))
        return windows.scatter(shares, walk.table, walk.size)


@op("nn.SpatialAveragePooling", "nn.VolumetricAveragePooling")
class AveragePooling(_Weighted):
    """The mean of each window, with or without the padding that it sees.

    Spatial files without ``divide`` give the mean times kH·kW.
    """

    def factor(self, walk: Walk) -> Array:
        node = self.node
        kernel, stride, pad = _sizes(node, "k"), _sizes(node, "d", 1), _sizes(node, "pad", 0)
        mode = str(node.get("mode", ""))
        if not node.flag("count_include_pad", default="EXCLUDE" not in mode):
            area = np.count_nonzero(walk.table >= 0, axis=1).astype(np.float64)
        else:
            area = np.ones(1)
            for n, k, s, p, count in zip(walk.size, kernel, stride, pad, walk.out, strict=True):
                start = np.arange(count) * s - p
                area = np.multiply.outer(area, np.minimum(start + k, n + p) - start).reshape(-1)
        divides = node.source_class.startswith(ALWAYS_DIVIDE)
        if _axes(node) == "HW" and not node.flag("divide", divides):
            area /= math.prod(kernel)
        return np.reciprocal(area)


@op("nn.SpatialAdaptiveAveragePooling")
class SpatialAdaptiveAveragePooling(_Weighted):
    """The means of H × W windows, whatever the input's size."""

    def walk(self, size: tuple[int, ...]) -> Walk:
        return _adaptive(self.node, size)

    def factor(self, walk: Walk) -> Array:
        return np.reciprocal(np.count_nonzero(walk.table >= 0, axis=1).astype(np.float64))


@op("nn.SpatialSubSampling", "nn.TemporalSubSampling")
class SubSampling(_Weighted):
    """The sum of each window times the plane's weight, plus the plane's bias."""

    def factor(self, walk: Walk) -> Array:
        return np.ones(len(walk.table))

    def pool(self, x: Array) -> Array:
        return super().pool(x) * self._of_planes("weight") + self._of_planes("bias")

    def pool_backward(self, x: Array, gy: Array) -> Array:
        other = (0, *range(2, gy.ndim))
        self.grads["weight"] += (gy * super().pool(x)).sum(axis=other)
        self.grads["bias"] += gy.sum(axis=other, dtype=np.float64)
        return super().pool_backward(x, gy * self._of_planes("weight"))

    def _of_planes(self, name: str) -> Array:
        return self.params[name].reshape(-1, *[1] * self.rank)


@op("nn.TemporalDynamicKMaxPooling")
class TemporalDynamicKMaxPooling(Op):
    """The max(minK, ceil(factor · frames)) largest of each feature, in their order of time."""

    def _kept(self, x: Array) -> Array:
        frames = x.shape[-2]
        least = self.node.integer("minK")
        if frames < least:
            raise OracleError(f"{self.node}: {frames} frames are fewer than the {least} to keep")
        k = max(least, math.ceil(self.node.number("factor", 0) * frames))
        order = np.argsort(-x, axis=-2, kind="stable")
        return np.sort(np.take(order, np.arange(k), axis=-2), axis=-2)

    def forward(self, x: Array) -> Array:
        return np.take_along_axis(x, self._kept(x), axis=-2)

    def backward(self, x: Array, gy: Array) -> Array:
        gx = np.zeros_like(x)
        np.put_along_axis(gx, self._kept(x), gy, axis=-2)
        return gx


@op("nn.SpatialMaxUnpooling", "nn.VolumetricMaxUnpooling")
class MaxUnpooling(_Pooling):
    """Puts each value where its pooling module found the largest; of two at a place the last."""

    def __init__(self, node: Module, env: Env) -> None:
        super().__init__(node, env)
        if "pooling" not in node.links:
            raise OracleError(f"{node}: the file does not say which pooling it inverts")
        self.pooling = cast("_Max", env.build(node.links["pooling"]))

    def _indices(self) -> Array:
        if not hasattr(self.pooling, "indices"):
            raise OracleError(f"{self.node}: its pooling {self.pooling.node} has not run yet")
        return self.pooling.indices

    def pool(self, x: Array) -> Array:
        indices, size = self._indices(), self.pooling.input_size
        planes = np.zeros((math.prod(x.shape[:2]), math.prod(size) + 1), x.dtype)
        rows = np.arange(len(planes))[:, None]
        planes[rows, indices.reshape(len(planes), -1)] = x.reshape(len(planes), -1)
        return planes[:, :-1].reshape(*x.shape[:2], *size)

    def pool_backward(self, x: Array, gy: Array) -> Array:
        flat = gy.reshape(*gy.shape[:2], -1)
        return np.take_along_axis(flat, self._indices(), axis=2).reshape(x.shape)


@op("nn.FeatureLPPooling")
class FeatureLPPooling(Op):
    """The p-norm of windows of features: (Σ x^p)^(1/p), without taking |x|."""

    def setup(self) -> None:
        self.width, self.stride = self.node.integer("width"), self.node.integer("stride")
        self.power = self.node.number("power")
        self.axis = 1 if self.node.flag("batch_mode") else 0

    def _seen(self, x: Array) -> tuple[Array, Array]:
        """Windows [..., windows, width] with the feature axis moved to the end; their table."""
        count = (x.shape[self.axis] - self.width) // self.stride + 1
        table = windows.sliding(x.shape[self.axis], self.width, self.stride, 0, 1, count)
        return np.moveaxis(x, self.axis, -1)[..., table].astype(np.float64), table

    def forward(self, x: Array) -> Array:
        seen, _ = self._seen(x)
        y = (seen**self.power).sum(axis=-1) ** (1 / self.power)
        return np.asarray(np.moveaxis(y, -1, self.axis), x.dtype)

    def backward(self, x: Array, gy: Array) -> Array:
        seen, table = self._seen(x)
        y = np.moveaxis(self.forward(x), self.axis, -1)[..., None].astype(np.float64)
        some = y != 0
        ratio = np.divide(seen, y, where=some, out=np.zeros_like(seen))
        share = np.where(some, ratio ** (self.power - 1), 0)
        share *= np.moveaxis(gy, self.axis, -1)[..., None]
        gx = np.zeros((x.shape[self.axis], *share.shape[:-2]))
        np.add.at(gx, table, np.moveaxis(share, (-2, -1), (0, 1)))
        return np.moveaxis(gx, 0, self.axis).astype(x.dtype)


@op("nn.SpatialLPPooling")
class SpatialLPPooling(Sequential):
    """A container: power, average pooling, multiplication, root."""
