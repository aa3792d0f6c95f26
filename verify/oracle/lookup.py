"""Tables of rows: ``nn.LookupTable`` and ``nn.OneHot``."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, OracleError, op


@op("nn.LookupTable")
class LookupTable(Op):
    """Rows of the weight by number, from 1; input of any shape and number type.

    ``maxNorm`` shortens the rows that a forward names, in the weight itself. The row
    ``paddingValue`` is read like others and gets no gradient.
    """

    def forward(self, x: Array) -> Array:
        rows = indices(self, x, len(self.params["weight"]))
        if self.node.flag("maxNorm"):  # 0 is true in Lua
            self._renorm(np.unique(rows), self.node.number("maxNorm"))
        return np.asarray(self.params["weight"][rows])

    def backward(self, x: Array, gy: Array) -> Array:
        weight, grad = self.params["weight"], self.grads["weight"]
        rows = indices(self, x, len(weight)).ravel()
        scale = np.ones(len(rows), grad.dtype)
        if self.node.flag("shouldScaleGradByFreq"):
            scale /= np.bincount(rows, minlength=len(weight))[rows].astype(grad.dtype)
        scale[rows == self.node.integer("paddingValue", 0) - 1] = 0
        entries = gy.reshape(len(rows), *weight.shape[1:])
        np.add.at(grad, rows, entries * scale.reshape(-1, *[1] * (weight.ndim - 1)))
        return np.zeros_like(x)

    def _renorm(self, rows: Array, limit: float) -> None:
        weight = self.params["weight"]
        power = self.node.number("normType", 2)
        values = np.abs(weight[rows].reshape(len(rows), -1))
        norm = ((values**power).sum(axis=1) ** (1 / power)).astype(weight.dtype)
        largest = weight.dtype.type(limit)
        long = norm > largest
        factor = (np.float64(largest) / (norm[long].astype(np.float64) + 1e-7)).astype(weight.dtype)
        weight[rows[long]] *= factor.reshape(-1, *[1] * (weight.ndim - 1))


@op("nn.OneHot")
class OneHot(Op):
    """A last axis of ``outputSize`` with a 1 where the input says, from 1; a number is one row."""

    def forward(self, x: Any) -> Array:
        size = self.node.integer("outputSize")
        return np.eye(size, dtype=self.dtype)[indices(self, np.asarray(x), size)]

    def backward(self, x: Any, gy: Array) -> Any:
        return np.zeros(np.shape(x), gy.dtype) if np.ndim(x) else 0.0

    @property
    def dtype(self) -> Any:
        """Of the output: the module's type."""
        double = str(self.node.get("_type")) in ("torch.DoubleTensor", "torch.CudaDoubleTensor")
        return self.env.dtype or np.dtype(np.float64 if double else np.float32)


def indices(module: Op, x: Array, size: int) -> Array:
    """Rows from 0 for Torch's from 1; fractions are cut off.

    Raises:
        OracleError: a row that is not in 1..size.
    """
    rows = x.astype(np.int64) - 1
    wrong = rows[(rows < 0) | (rows >= size)]
    if wrong.size:
        raise OracleError(f"{module.node}: index {wrong[0] + 1} is not between 1 and {size}")
    return rows
