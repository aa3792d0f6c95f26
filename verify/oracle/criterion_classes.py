"""Criteria whose targets are classes, numbered from 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, OracleError, op
from verify.oracle.criterion import Criterion, MSECriterion


def class_indices(target: Any, classes: int, what: object, ignored: int | None = None) -> Array:
    """Class numbers as indices from 0.

    Raises:
        OracleError: one is outside 1..classes, and is not the number to ignore.
    """
    index = np.atleast_1d(target).astype(np.int64).ravel() - 1
    counted = index if ignored is None else index[index != ignored - 1]
    bad = counted[(counted < 0) | (counted >= classes)]
    if bad.size:
        raise OracleError(f"{what}: target {bad[0] + 1} is outside 1..{classes}")
    return index


@op("nn.ClassNLLCriterion")
class ClassNLLCriterion(Criterion):
    """Minus the log-probability of the class; the mean is weighted by the classes' weights."""

    def setup(self) -> None:
        """Read which class number does not count."""
        super().setup()
        self.ignored = self.node.integer("ignoreIndex", -100)

    def loss(self, x: Array, target: Any) -> Any:
        rows = self.rows(x)
        index, weights = self._picked(rows, target)
        at = np.flatnonzero(weights != 0) if self.weights is None else np.flatnonzero(index >= 0)
        total = weights.sum()
        output = -(rows[at, index[at]] * weights[at]).sum()
        return output / total if self.average and total != 0 else output

    def slope(self, x: Array, target: Any) -> Any:
        rows = self.rows(x)
        index, weights = self._picked(rows, target)
        grads = np.zeros_like(rows)
        total = weights.sum()
        if not total > 0:
            return self.unrows(grads, x)
        at = np.flatnonzero(index >= 0)
        grads[at, index[at]] = -weights[at] / (total if self.average else 1)
        return self.unrows(grads, x)

    def rows(self, x: Array) -> Array:
        """The input as (rows, classes)."""
        if x.ndim not in (1, 2):
            raise OracleError(f"{self.node}: takes a vector or a matrix, got shape {x.shape}")
        return np.atleast_2d(x)

    def unrows(self, grads: Array, x: Array) -> Array:
        """Gradients of :meth:`rows` in the shape of the input."""
        return grads.reshape(x.shape)

    def _picked(self, rows: Array, target: Any) -> tuple[Array, Array]:
        """The index of each row (-1 where it is ignored), and its weight."""
        index = class_indices(target, rows.shape[1], self.node, self.ignored)[: len(rows)]
        if len(index) != len(rows):
            raise OracleError(f"{self.node}: {len(rows)} rows and {len(index)} targets")
        keep = index != self.ignored - 1
        index = np.where(keep, index, -1)
        weights = np.ones(len(rows)) if self.weights is None else self.weights[index]
        return index, weights * keep


@op("nn.SpatialClassNLLCriterion")
class SpatialClassNLLCriterion(ClassNLLCriterion):
    """The same of every pixel: input (batch, classes, height, width)."""

    ranks: tuple[int, ...] = (4,)

    def rows(self, x: Array) -> Array:
        if x.ndim not in self.ranks:
            raise OracleError(f"{self.node}: takes {self.ranks} dimensions, got shape {x.shape}")
        return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])

    def unrows(self, grads: Array, x: Array) -> Array:
        moved = grads.reshape(x.shape[0], *x.shape[2:], x.shape[1])
        return np.moveaxis(moved, -1, 1)


@op("nn.CrossEntropyCriterion")
class CrossEntropyCriterion(Criterion):
    """``LogSoftMax``, then ``ClassNLLCriterion``, of the input without dimensions of 1."""

    def setup(self) -> None:
        """The inner criterion has the weights; the mean is this one's to say."""
        super().setup()
        nll = self.env.build(self.node.links["nll"])
        assert isinstance(nll, ClassNLLCriterion)  # noqa: S101 - the class always holds one
        self.nll, nll.average = nll, self.average

    def loss(self, x: Array, target: Any) -> Any:
        return self.nll.loss(log_softmax(x.squeeze()), target)

    def slope(self, x: Array, target: Any) -> Any:
        logs = log_softmax(x.squeeze())
        grads = self.nll.slope(logs, target)
        grads = grads - np.exp(logs) * grads.sum(axis=-1, keepdims=True)
        return grads.reshape(x.shape)


@op("nn.SpatialCrossEntropyCriterion", "nn.VolumetricCrossEntropyCriterion")
class PixelCrossEntropyCriterion(SpatialClassNLLCriterion):
    """Of the softmax over the classes of every pixel; one for volumes holds one for images."""

    ranks = (4, 5)

    def setup(self) -> None:
        """The weights are the inner criterion's."""
        outer, spatial = self.node, self.node.links.get("scec", self.node)
        self.node = spatial.links["nll"]
        super().setup()
        self.node, self.average = outer, spatial.flag("sizeAverage", True)

    def loss(self, x: Array, target: Any) -> Any:
        return super().loss(log_softmax(x, 1), target)

    def slope(self, x: Array, target: Any) -> Any:
        logs = log_softmax(x, 1)
        grads = super().slope(logs, target)
        return grads - np.exp(logs) * grads.sum(axis=1, keepdims=True)


def log_softmax(x: Array, axis: int = -1) -> Array:
    """Log of the shares of e^x along an axis."""
    shifted = x - x.max(axis=axis, keepdims=True)
    logs: Array = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return logs


@op("nn.ClassSimplexCriterion")
class ClassSimplexCriterion(MSECriterion):
    """(x - corner of the class)², the corners being those of a regular simplex."""

    def expand(self, target: Any, x: Array) -> Any:
        corners = self.node.array("simplex")
        return corners[class_indices(target, len(corners), self.node)].reshape(x.shape)


@op("nn.MultiMarginCriterion")
class MultiMarginCriterion(Criterion):
    """The mean over classes of max(0, margin - x[class] + x[other])^p, weighted by class."""

    def setup(self) -> None:
        """Read p too."""
        super().setup()
        self.p = self.node.integer("p", 1)

    def loss(self, x: Array, target: Any) -> Any:
        excess, weight, _ = self._excess(np.atleast_2d(x), target)
        return (excess**self.p * weight).sum() / self._count(np.atleast_2d(x))

    def slope(self, x: Array, target: Any) -> Any:
        rows = np.atleast_2d(x)
        excess, weight, index = self._excess(rows, target)
        grads = (excess > 0) * (1.0 if self.p == 1 else 2 * excess) * weight / self._count(rows)
        grads[np.arange(len(rows)), index] = -grads.sum(axis=1)
        return grads

    def _count(self, rows: Array) -> float:
        return float(rows.shape[1] * (len(rows) if self.average else 1))

    def _excess(self, rows: Array, target: Any) -> tuple[Array, Any, Array]:
        index = class_indices(target, rows.shape[1], self.node)
        own = np.take_along_axis(rows, index[:, None], 1)
        excess = np.maximum(0, self.margin - own + rows)
        excess[np.arange(len(rows)), index] = 0
        return excess, 1.0 if self.weights is None else self.weights[index][:, None], index


@op("nn.MultiLabelMarginCriterion")
class MultiLabelMarginCriterion(Criterion):
    """Like the multi-class margin, for each of several classes; 0 ends a row of targets."""

    def loss(self, x: Array, target: Any) -> Any:
        rows = np.atleast_2d(x)
        return np.maximum(0, self._margins(rows, target)).sum() / self._count(rows)

    def slope(self, x: Array, target: Any) -> Any:
        rows = np.atleast_2d(x)
        active = self._margins(rows, target) > 0  # [row, label, other class]
        grads = active.sum(axis=1).astype(np.float64)
        labels = np.atleast_2d(target).astype(np.int64) - 1
        row, at = np.nonzero(active.any(axis=2))
        np.add.at(grads, (row, labels[row, at]), -active.sum(axis=2)[row, at])
        return grads / self._count(rows)

    def _count(self, rows: Array) -> float:
        return float(rows.shape[1] * (len(rows) if self.average else 1))

    def _margins(self, rows: Array, target: Any) -> Array:
        """1 - x[label] + x[other] by row, label and other class; -1 where it does not count."""
        labels = np.atleast_2d(target).astype(np.int64)
        listed = np.cumprod(labels > 0, axis=1).astype(bool)
        if (labels[listed] > rows.shape[1]).any():
            raise OracleError(f"{self.node}: a target is outside 1..{rows.shape[1]}")
        index = np.where(listed, labels - 1, 0)
        is_label = np.zeros(rows.shape, bool)
        row, at = np.nonzero(listed)
        is_label[row, index[row, at]] = True
        margins = 1 - np.take_along_axis(rows, index, 1)[:, :, None] + rows[:, None, :]
        return np.where(listed[:, :, None] & ~is_label[:, None, :], margins, -1.0)
