"""Products and distances of two inputs, or of the input and learned vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.oracle.base import Array, Op, op

Pair = list[Any]


def rows(x: Pair) -> tuple[Array, Array]:
    """The two inputs as batches; a vector is a batch of one row."""
    return np.atleast_2d(x[0]), np.atleast_2d(x[1])


@op("nn.DotProduct")
class DotProduct(Op):
    """Inner product, row by row."""

    def forward(self, x: Pair) -> Any:
        a, b = rows(x)
        return (a * b).sum(axis=1, dtype=np.float64).astype(a.dtype)

    def backward(self, x: Pair, gy: Array) -> Pair:
        upstream = gy[:, np.newaxis] if x[0].ndim == 2 else gy
        return [upstream * x[1], upstream * x[0]]


@op("nn.CosineDistance")
class CosineDistance(Op):
    """Cosine of the angle, row by row; 1e-12 is added to the squared norms."""

    def _norms(self, x: Pair) -> tuple[Array, Array, Array, Array, Array]:
        a, b = (side.astype(np.float64) for side in rows(x))
        of_a, of_b = (1 / ((side * side).sum(1, keepdims=True) + 1e-12) for side in (a, b))
        scale = np.sqrt(of_a * of_b)
        return a, b, of_a, of_b, scale

    def forward(self, x: Pair) -> Any:
        a, b, _, _, scale = self._norms(x)
        return ((a * b).sum(1) * scale[:, 0]).astype(x[0].dtype)

    def backward(self, x: Pair, gy: Array) -> Pair:
        a, b, of_a, of_b, scale = self._norms(x)
        cosine = (a * b).sum(1, keepdims=True) * scale
        upstream = gy.reshape(-1, 1)
        grads = [
            (b * scale - a * cosine * of_a) * upstream,
            (a * scale - b * cosine * of_b) * upstream,
        ]
        return [g.reshape(x[0].shape).astype(x[0].dtype) for g in grads]


@op("nn.PairwiseDistance")
class PairwiseDistance(Op):
    """The p-norm of the difference, row by row."""

    def setup(self) -> None:
        self.norm = self.node.number("norm", 2.0)

    def forward(self, x: Pair) -> Any:
        a, b = rows(x)
        powers = np.abs(a - b).astype(np.float64) ** self.norm
        return (powers.sum(axis=1) ** (1 / self.norm)).astype(a.dtype)

    def backward(self, x: Pair, gy: Array) -> Pair:
        a, b = rows(x)
        slope = (a - b).astype(np.float64)
        if self.norm == 1:
            slope = self._signs(slope)
        else:
            if self.norm > 2:
                slope *= np.abs(slope) ** (self.norm - 2)
            distance = self.forward(x).astype(np.float64)[:, np.newaxis]
            slope *= (distance + 1e-6) ** -(self.norm - 1)
        grad = (slope * gy.reshape(-1, 1)).reshape(x[0].shape).astype(x[0].dtype)
        return [grad, -grad]

    def _signs(self, slope: Array) -> Array:
        """1 or −1; Torch draws one of them where the difference is 0."""
        signs = np.sign(slope)
        zero = signs == 0
        if zero.any():
            drawn = self.env.generator.raw(int(zero.sum())).astype(np.int64)
            signs[zero] = 2 * (drawn % 2 + 1) - 3
        return np.asarray(signs)


class LearnedVectors(Op):
    """Compares each row of the input with each learned vector."""

    def batch(self, x: Array) -> Array:
        """The input in double, as [batch, in]."""
        return np.atleast_2d(x).astype(np.float64)

    def put(self, name: str, grad: Array) -> None:
        """Add to a parameter's gradient."""
        self.grads[name] += grad.astype(self.grads[name].dtype)


@op("nn.Cosine")
class Cosine(LearnedVectors):
    """Cosine of the angles; 1e-12 is added to the norms."""

    def _parts(self, x: Array) -> tuple[Array, Array, Array, Array, Array]:
        given, weight = self.batch(x), self.params["weight"].astype(np.float64)
        of_x = np.sqrt((given * given).sum(1, keepdims=True)) + 1e-12
        of_w = np.sqrt((weight * weight).sum(1, keepdims=True)) + 1e-12
        return given, weight, of_x, of_w, given @ weight.T / of_w.T / of_x

    def forward(self, x: Array) -> Any:
        y = self._parts(x)[-1]
        return y.reshape(*x.shape[:-1], -1).astype(x.dtype)

    def backward(self, x: Array, gy: Array) -> Any:
        given, weight, of_x, of_w, y = self._parts(x)
        upstream = np.atleast_2d(gy)
        along = (upstream * y).sum(1, keepdims=True)
        grad = (upstream / of_w.T) @ weight / of_x - given * along / of_x**2
        of_weight = upstream.T @ (given / of_x) / of_w
        self.put("weight", of_weight - weight * (upstream * y).sum(0)[:, np.newaxis] / of_w**2)
        return grad.reshape(x.shape).astype(x.dtype)


@op("nn.Euclidean")
class Euclidean(LearnedVectors):
    """Distances; backward divides by distances plus 1e-7."""

    def scale(self) -> Array:
        """What differences are multiplied by, [in, out]."""
        return np.ones(self.params["weight"].shape)

    def _differences(self, x: Array) -> Array:
        """Scaled differences, [batch, in, out]."""
        weight = self.params["weight"].astype(np.float64)
        return self.scale() * (self.batch(x)[:, :, np.newaxis] - weight)

    def forward(self, x: Array) -> Any:
        distance = np.sqrt((self._differences(x) ** 2).sum(axis=1))
        return distance.reshape(*x.shape[:-1], -1).astype(x.dtype)

    def backward(self, x: Array, gy: Array) -> Any:
        differences = self._differences(x)
        distance = np.atleast_2d(self.forward(x)).astype(np.float64) + 1e-7
        direction = differences * (np.atleast_2d(gy) / distance)[:, np.newaxis]
        self.direction = direction
        moved = direction * self.scale()
        self.put("weight", -moved.sum(axis=0))
        return moved.sum(axis=2).reshape(x.shape).astype(x.dtype)


@op("nn.WeightedEuclidean")
class WeightedEuclidean(Euclidean):
    """Distances of differences that are scaled, for each learned vector, feature by feature."""

    def scale(self) -> Array:
        return self.params["diagCov"].astype(np.float64)

    def backward(self, x: Array, gy: Array) -> Any:
        grad = super().backward(x, gy)
        plain = self.batch(x)[:, :, np.newaxis] - self.params["weight"]
        self.put("diagCov", (self.direction * plain).sum(axis=0))
        return grad


@op("nn.MM")
class MM(Op):
    """Matrix product, of one pair or of a batch of pairs, each side transposed if so wanted."""

    def setup(self) -> None:
        self.flip = self.node.flag("transA"), self.node.flag("transB")

    def _sides(self, x: Pair) -> tuple[Array, Array]:
        a, b = x
        return (a.swapaxes(-1, -2) if self.flip[0] else a), (
            b.swapaxes(-1, -2) if self.flip[1] else b
        )

    def forward(self, x: Pair) -> Any:
        a, b = self._sides(x)
        return a @ b

    def backward(self, x: Pair, gy: Array) -> Pair:
        a, b = self._sides(x)
        of_a, of_b = gy @ b.swapaxes(-1, -2), a.swapaxes(-1, -2) @ gy
        return [
            of_a.swapaxes(-1, -2) if self.flip[0] else of_a,
            of_b.swapaxes(-1, -2) if self.flip[1] else of_b,
        ]


@op("nn.MV")
class MV(Op):
    """Matrix times vector, of one pair or of a batch of pairs."""

    def _matrix(self, x: Pair) -> Any:
        return x[0].swapaxes(-1, -2) if self.node.flag("trans") else x[0]

    def forward(self, x: Pair) -> Any:
        return (self._matrix(x) @ x[1][..., np.newaxis])[..., 0]

    def backward(self, x: Pair, gy: Array) -> Pair:
        of_matrix = gy[..., :, np.newaxis] * x[1][..., np.newaxis, :]
        of_vector = (self._matrix(x).swapaxes(-1, -2) @ gy[..., np.newaxis])[..., 0]
        return [of_matrix.swapaxes(-1, -2) if self.node.flag("trans") else of_matrix, of_vector]


@op("nn.Bilinear")
class Bilinear(Op):
    """a W b for each output's matrix W, plus a bias."""

    def forward(self, x: Pair) -> Any:
        y = np.einsum("bi,oij,bj->bo", x[0], self.params["weight"], x[1], optimize=True)
        return y + self.params["bias"] if "bias" in self.params else y

    def backward(self, x: Pair, gy: Array) -> Pair:
        a, b = x
        weight = self.params["weight"]
        self.grads["weight"] += np.einsum("bo,bi,bj->oij", gy, a, b, optimize=True)
        if "bias" in self.params:
            self.grads["bias"] += gy.sum(axis=0)
        return [
            np.einsum("bo,oij,bj->bi", gy, weight, b, optimize=True),
            np.einsum("bo,oij,bi->bj", gy, weight, a, optimize=True),
        ]
