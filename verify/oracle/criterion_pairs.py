"""Criteria of two inputs: is one nearer, or greater, than the other as it should be?"""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, OracleError, op
from verify.oracle.criterion import Criterion


@op("nn.CosineEmbeddingCriterion")
class CosineEmbeddingCriterion(Criterion):
    """1 - cos of a pair where y = 1, max(0, cos - margin) where y = -1."""

    def setup(self) -> None:
        """The margin is 0 unless said."""
        super().setup()
        self.margin = self.node.number("margin", 0.0)

    def loss(self, x: Any, target: Any) -> Any:
        losses = self._losses(np.atleast_2d(x[0]), np.atleast_2d(x[1]), np.ravel(target))[0]
        return losses.sum() / (np.size(target) if self.average else 1)

    def slope(self, x: Any, target: Any) -> Any:
        a, b, y = np.atleast_2d(x[0]), np.atleast_2d(x[1]), np.ravel(target)
        losses, cosine, norms_a, norms_b = self._losses(a, b, y)
        sign = np.where(losses <= 0, 0.0, np.where(y == 1, -1.0, 1.0))[:, None]
        sign = sign / (len(y) if self.average else 1)
        scale = 1 / np.sqrt(norms_a * norms_b)
        return [
            sign * (b * scale - a * cosine / norms_a),
            sign * (a * scale - b * cosine / norms_b),
        ]

    def _losses(self, a: Array, b: Array, y: Array) -> tuple[Array, Array, Array, Array]:
        """Loss of each pair; cosine and squared norms as columns."""
        norms = [np.square(v).sum(axis=1, keepdims=True) + 1e-12 for v in (a, b)]
        cosine = (a * b).sum(axis=1, keepdims=True) / np.sqrt(norms[0] * norms[1])
        flat = cosine[:, 0]
        negative = np.where(y == -1, np.maximum(0, flat - self.margin), flat)
        return np.where(y == 1, 1 - flat, negative), cosine, norms[0], norms[1]


@op("nn.L1HingeEmbeddingCriterion")
class L1HingeEmbeddingCriterion(Criterion):
    """The L1 distance of a pair, or max(0, margin - distance) where y = -1."""

    def loss(self, x: Any, target: Any) -> Any:
        distance = np.abs(x[0] - x[1]).sum()
        return max(0.0, self.margin - distance) if float(target) == -1 else distance

    def slope(self, x: Any, target: Any) -> Any:
        difference = x[0] - x[1]
        grad = np.sign(difference)
        equal = np.flatnonzero(difference.ravel() == 0)  # Torch tosses a coin
        grad.flat[equal] = 2 * self.env.generator.random(equal.size, high=2) - 3
        if float(target) == -1:
            grad = 0 * grad if np.abs(difference).sum() > self.margin else -grad
        return [grad, -grad]


@op("nn.MarginRankingCriterion")
class MarginRankingCriterion(Criterion):
    """max(0, margin - y (a - b)); a number as y compares the first elements only."""

    def loss(self, x: Any, target: Any) -> Any:
        if np.ndim(target) == 0:
            return max(0.0, self.margin - float(target) * (x[0].flat[0] - x[1].flat[0]))
        values = np.maximum(0, self._excess(x, target))
        return values.sum() / (target.shape[0] if self.average else 1)

    def slope(self, x: Any, target: Any) -> Any:
        if np.ndim(target) == 0:
            active = self.margin - float(target) * (x[0].flat[0] - x[1].flat[0]) >= 0
            grad = np.zeros_like(x[0])
            grad.flat[0] = -float(target) * active
            return [grad, -grad]
        active = self._excess(x, target) >= 0
        grad = -target.reshape(x[0].shape) * active / (target.shape[0] if self.average else 1)
        return [grad, -grad]

    def _excess(self, x: Any, target: Array) -> Array:
        excess: Array = self.margin - target.reshape(x[0].shape) * (x[0] - x[1])
        return excess


@op("nn.DistanceRatioCriterion")
class DistanceRatioCriterion(Criterion):
    """-log of exp(-a) / (exp(-a) + exp(-b)) for the distances of a like and an unlike pair."""

    def loss(self, x: Any, target: Any) -> Any:
        a, b = self._distances(x)
        return np.logaddexp(0, a - b).sum() / (len(a) if self.average else 1)

    def slope(self, x: Any, target: Any) -> Any:
        a, b = self._distances(x)
        grad = 1 / (1 + np.exp(b - a)) / (len(a) if self.average else 1)
        return [grad, -grad]

    def _distances(self, x: Any) -> Any:
        if len(x) != 2 or x[0].shape != x[1].shape:
            raise OracleError(f"{self.node}: takes two tensors of one shape")
        return x
