"""Modules that move values and compute nothing."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, OracleError, op


@op("nn.Identity", "nn.PrintSize")
class Identity(Op):
    """The input."""

    def forward(self, x: Any) -> Any:
        return x

    def backward(self, x: Any, gy: Any) -> Any:
        return gy


@op("nn.Contiguous")
class Contiguous(Identity):
    """The input, laid out anew in memory."""


@op("nn.Copy")
class Copy(Op):
    """The input in another tensor type: that of the module's output."""

    def setup(self) -> None:
        output = self.node.tensors.get("output")
        self.dtype = output.dtype if output is not None else None

    def forward(self, x: Array) -> Array:
        return x if self.dtype is None or self.env.dtype is not None else x.astype(self.dtype)

    def backward(self, x: Array, gy: Array) -> Array:
        return gy.astype(x.dtype)


class Reshaping(Op):
    """Gives the same values in another shape."""

    def shape(self, given: tuple[int, ...]) -> tuple[int, ...]:
        """The output's shape for an input's."""
        raise NotImplementedError

    def forward(self, x: Array) -> Array:
        shape = self.shape(x.shape)
        try:
            return x.reshape(shape)
        except ValueError:
            raise OracleError(f"{self.node}: cannot view {x.shape} as {shape}") from None

    def backward(self, x: Array, gy: Array) -> Array:
        return gy.reshape(x.shape)


@op("nn.View")
class View(Reshaping):
    """As `size`; what is more than that is the batch."""

    def setup(self) -> None:
        self.size = self.node.integers("size")
        self.elements = prod(n for n in self.size if n >= 0)
        self.dims = self.node.get("numInputDims")

    def shape(self, given: tuple[int, ...]) -> tuple[int, ...]:
        sample_dims = len(given) if self.dims is None else int(self.dims)
        sample = prod(given[len(given) - sample_dims :])
        if sample % self.elements:
            raise OracleError(f"{self.node}: input {given} and view {self.size} do not match")
        batch = 1 if -1 in self.size else sample // self.elements
        batch *= prod(given[: max(len(given) - sample_dims, 0)])
        if batch == 1 and (self.dims is None or len(given) <= sample_dims):
            return self.size
        return (batch, *self.size)


@op("nn.Reshape")
class Reshape(Reshaping):
    """As `size`, with a leading batch unless the whole input has just that many elements."""

    def setup(self) -> None:
        self.size = self.node.integers("size")
        self.batch = self.node.fields.get("batchMode")

    def shape(self, given: tuple[int, ...]) -> tuple[int, ...]:
        fits = prod(given) == prod(self.size) and given[0] != 1
        if self.batch is False or (self.batch is None and fits):
            return self.size
        return (given[0], *self.size)


@op("nn.Collapse")
class Collapse(Reshaping):
    """All but the batch in one dimension."""

    def shape(self, given: tuple[int, ...]) -> tuple[int, ...]:
        batched = len(given) > self.node.integer("nInputDim")
        return (given[0], -1) if batched else (-1,)


@op("nn.Squeeze")
class Squeeze(Reshaping):
    """Without the dimensions (or the one) of size 1; a scalar keeps one dimension."""

    def shape(self, given: tuple[int, ...]) -> tuple[int, ...]:
        dims = self.node.get("numInputDims")
        batched = dims is not None and len(given) == int(dims) + 1
        dim = self.node.get("dim")
        if dim is not None:
            axis = int(dim) - 1 + batched
            if given[axis] != 1 or len(given) == 1:
                return given
            return given[:axis] + given[axis + 1 :]
        kept = tuple(n for n in given if n != 1)
        if batched and given[0] == 1:
            return (1, *(kept or (1,)))
        return kept or (1,)


@op("nn.Unsqueeze")
class Unsqueeze(Reshaping):
    """With one more dimension, of size 1."""

    def shape(self, given: tuple[int, ...]) -> tuple[int, ...]:
        dims = self.node.get("numInputDims")
        batch_dims = 0 if dims is None else len(given) - int(dims)
        at = self.node.integer("pos") - 1 + batch_dims
        if batch_dims < 0 or not 0 <= at <= len(given):
            raise OracleError(f"{self.node}: input {given} has no place {at + 1}")
        return (*given[:at], 1, *given[at:])


@op("nn.Transpose")
class Transpose(Op):
    """Pairs of dimensions swapped, one pair after the other."""

    def _order(self, rank: int) -> list[int]:
        dims = self.node.get("numInputDims")
        first = 0 if dims is not None and rank == int(dims) + 1 else 1
        order = list(range(rank))
        for pair in self.node.get("permutations").sequence():
            i, j = (int(d) - first for d in pair.sequence())
            order[i], order[j] = order[j], order[i]
        return order

    def forward(self, x: Array) -> Array:
        return x.transpose(self._order(x.ndim))

    def backward(self, x: Array, gy: Array) -> Array:
        return gy.transpose(np.argsort(self._order(x.ndim)))


@op("nn.Convert")
class Convert(Op):
    """From one order of named axes to another; `bf` flattens all but the batch."""

    def setup(self) -> None:
        self.given = str(self.node.get("inputShape"))
        self.wanted = str(self.node.get("outputShape"))

    def _apply(self, x: Array) -> Array:
        given, wanted = self.given, self.wanted
        if sorted(given) == sorted(wanted):
            return x.transpose([given.index(letter) for letter in wanted])
        if wanted in ("bf", "fb"):
            rows = x.swapaxes(0, given.index("b")).reshape(x.shape[given.index("b")], -1)
            return rows if wanted == "bf" else rows.T
        if wanted == "bt" and given == "b":
            return x[:, np.newaxis]
        if wanted == "b" and len(given) == 2:
            other = 1 - given.index("b")
            if "f" in given and x.shape[other] > 1:
                raise OracleError(f"{self.node}: {x.shape} has more than one feature")
            return x.take(0, other)
        raise OracleError(f"{self.node}: there is no conversion of {given} to {wanted}")

    def forward(self, x: Array) -> Array:
        if x.ndim == len(self.given):
            return self._apply(x)
        batch = np.expand_dims(x, self.given.index("b"))
        return self._apply(batch).take(0, self.wanted.index("b"))

    def backward(self, x: Array, gy: Array) -> Array:
        where = self.forward(np.arange(x.size).reshape(x.shape))  # each output's place in x
        grad = np.zeros_like(x)
        grad.reshape(-1)[where.reshape(-1)] = gy.reshape(-1)
        return grad
