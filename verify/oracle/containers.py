"""Containers: modules made of modules."""

from __future__ import annotations

from typing import Any

import numpy as np

from migrate.graph import map_children
from verify.oracle.base import Array, Op, OracleError, op
from verify.oracle.values import add_grads

# Torch's `_type` → NumPy's.
DTYPES = {"torch.FloatTensor": "float32", "torch.DoubleTensor": "float64"}


@op("nn.Sequential", "modules.FullDenseLayer", "modules.FullSparseLayer")
class Sequential(Op):
    """Each child takes what the one before gave."""

    def forward(self, x: Any) -> Any:
        self.inputs = []
        for child in self.children:
            self.inputs.append(x)
            x = child.forward(x)
        return x

    def backward(self, x: Any, gy: Any) -> Any:
        for child, given in zip(reversed(self.children), reversed(self.inputs), strict=True):
            gy = child.backward(given, gy)
        return gy


@op("nn.ParallelTable")
class ParallelTable(Op):
    """Child i takes entry i of the table."""

    def forward(self, x: list[Any]) -> list[Any]:
        return [child.forward(entry) for child, entry in zip(self.children, x, strict=False)]

    def backward(self, x: list[Any], gy: list[Any]) -> list[Any]:
        return [
            child.backward(entry, grad)
            for child, entry, grad in zip(self.children, x, gy, strict=False)
        ]


@op("nn.ConcatTable")
class ConcatTable(Op):
    """Every child takes the whole input; the outputs are a table."""

    def forward(self, x: Any) -> list[Any]:
        return [child.forward(x) for child in self.children]

    def backward(self, x: Any, gy: list[Any]) -> Any:
        grads = [child.backward(x, grad) for child, grad in zip(self.children, gy, strict=False)]
        return add_grads(grads)


@op("nn.Maxout")
class Maxout(Sequential):
    """A linear map to several vectors, and the greatest of them at each place."""


@op(
    "nn.Decorator", "nn.NaN", "nn.Profile", "nn.Serial", "nn.GPU", "nn.DataParallelTable",
)  # fmt: skip
class Decorator(Op):
    """Does what its first child does; the others, if any, are copies on other devices."""

    def setup(self) -> None:
        self.children = self.children[:1]

    def forward(self, x: Any) -> Any:
        return self.children[0].forward(x)

    def backward(self, x: Any, gy: Any) -> Any:
        return self.children[0].backward(x, gy)


@op("nn.DontCast")
class DontCast(Decorator):
    """Does what its child does, in the child's own type."""

    def setup(self) -> None:
        self.inner = DTYPES.get(str(self.node.children[0].get("_type")))
        self.outer = DTYPES.get(str(self.node.get("_type")))

    def forward(self, x: Any) -> Any:
        y = self.children[0].forward(self._into(x))
        casts_out = self.node.flag("castout", self.node.flag("castin"))
        return as_type(y, self.outer) if casts_out and self.env.dtype is None else y

    def backward(self, x: Any, gy: Any) -> Any:
        return like(self.children[0].backward(self._into(x), as_type(gy, self.inner)), x)

    def _into(self, x: Any) -> Any:
        casts = self.node.flag("castin") and self.env.dtype is None
        return as_type(x, self.inner) if casts else x


def as_type(value: Any, dtype: str | None) -> Any:
    """An array or nested lists of them in another type; None leaves them alone."""
    if isinstance(value, list):
        return [as_type(entry, dtype) for entry in value]
    return value if dtype is None else value.astype(dtype, copy=False)


def like(value: Any, x: Any) -> Any:
    """Arrays in the types of those of ``x``."""
    if isinstance(value, list):
        return [like(entry, given) for entry, given in zip(value, x, strict=True)]
    return value.astype(x.dtype, copy=False)


@op("nn.Concat")
class Concat(Op):
    """Every child takes the whole input; the outputs are joined along a dimension."""

    def forward(self, x: Any) -> Array:
        outputs = [child.forward(x) for child in self.children]
        self.shapes = [y.shape for y in outputs]
        return self.join(outputs)

    @property
    def axis(self) -> int:
        """NumPy's axis of the joined dimension."""
        return self.node.integer("dimension") - 1

    def join(self, outputs: list[Array]) -> Array:
        """The outputs as one tensor."""
        size = [max(shape[i] for shape in self.shapes) for i in range(len(self.shapes[0]))]
        size[self.axis] = sum(shape[self.axis] for shape in self.shapes)
        joined = np.zeros(size, outputs[0].dtype)
        for y, window in zip(outputs, self.windows(size), strict=True):
            joined[window] = y
        return joined

    def windows(self, size: list[int]) -> list[tuple[slice, ...]]:
        """Where each output is in the joined tensor: centred, the odd one out at the end."""
        found, offset = [], 0
        for shape in self.shapes:
            starts = [(whole - part) // 2 for whole, part in zip(size, shape, strict=True)]
            starts[self.axis] = offset
            offset += shape[self.axis]
            found.append(tuple(slice(s, s + n) for s, n in zip(starts, shape, strict=True)))
        return found

    def backward(self, x: Any, gy: Array) -> Any:
        windows = self.windows(list(gy.shape))
        grads = [
            child.backward(x, gy[window])
            for child, window in zip(self.children, windows, strict=True)
        ]
        return add_grads(grads)


@op("nn.DepthConcat")
class DepthConcat(Concat):
    """Concat of outputs of different sizes, each centred among zeros."""


@op("nn.Parallel")
class Parallel(Op):
    """Child i takes slice i of a dimension; the outputs are joined along another."""

    def forward(self, x: Array) -> Array:
        outputs = [
            child.forward(part) for child, part in zip(self.children, self._parts(x), strict=True)
        ]
        axis = self.node.integer("outputDimension") - 1
        self.ends = np.cumsum([y.shape[axis] for y in outputs])[:-1]
        return np.concatenate(outputs, axis=axis)

    def _parts(self, x: Array) -> list[Array]:
        parts = list(np.moveaxis(x, self.node.integer("inputDimension") - 1, 0))
        if len(parts) != len(self.children):
            raise OracleError(f"{self.node}: {len(self.children)} children for an input {x.shape}")
        return parts

    def backward(self, x: Array, gy: Array) -> Array:
        grads = np.split(gy, self.ends, axis=self.node.integer("outputDimension") - 1)
        of_parts = [
            child.backward(part, grad)
            for child, part, grad in zip(self.children, self._parts(x), grads, strict=True)
        ]
        return np.stack(of_parts, axis=self.node.integer("inputDimension") - 1)


@op("nn.Bottle")
class Bottle(Op):
    """The child sees the leading dimensions as one."""

    def _flat(self, x: Array) -> Array:
        keep = x.ndim - self.node.integer("nInputDim", 2) + 1
        return x if keep <= 1 else x.reshape(-1, *x.shape[keep:])

    def forward(self, x: Array) -> Array:
        y = self.children[0].forward(self._flat(x))
        keep = x.ndim - self.node.integer("nInputDim", 2) + 1
        self.inner: tuple[int, ...] = y.shape
        return y if keep <= 1 else y.reshape(*x.shape[: keep - 1], -1, *y.shape[1:])

    def backward(self, x: Array, gy: Array) -> Array:
        grad: Array = self.children[0].backward(self._flat(x), gy.reshape(self.inner))
        return grad.reshape(x.shape)


@op("nn.MapTable")
class MapTable(Op):
    """One child for all entries of a table, or a copy of it for each where it is not shared."""

    def forward(self, x: list[Any]) -> list[Any]:
        if len(self.children) != len(x):
            made = map_children(self.node, len(x))
            self.children = [self.env.build(child) for child in made]
        return [child.forward(entry) for child, entry in zip(self.children, x, strict=True)]

    def backward(self, x: list[Any], gy: list[Any]) -> list[Any]:
        return [
            child.backward(entry, grad)
            for child, entry, grad in zip(self.children, x, gy, strict=True)
        ]
