"""Products and distances of two inputs, or of the input and learned vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from deepbird_v2.layers.bilinear import Bilinear
from deepbird_v2.layers.distance import Cosine, Euclidean, PairwiseDistance
from migrate.context import Context, ConversionError
from migrate.registry import converts
from migrate.weights import TRANSPOSE

if TYPE_CHECKING:
    from collections.abc import Callable

    from migrate.graph import Module


def pair(m: Module, x: Any) -> tuple[Any, Any]:
    """The two tensors of the input."""
    if not isinstance(x, list) or len(x) < 2:
        raise ConversionError(f"{m}: takes a table of two tensors, got {x}")
    return x[0], x[1]


def as_rows(m: Module, x: Any) -> tuple[Any, Any]:
    """The two inputs as batches; a vector is a batch of one row."""
    a, b = pair(m, x)
    return (ops.expand_dims(a, 0), ops.expand_dims(b, 0)) if len(a.shape) == 1 else (a, b)


@converts("nn.DotProduct")
def dot_product(ctx: Context, m: Module, x: Any) -> Any:
    """Inner product, row by row."""
    a, b = as_rows(m, x)
    return ops.sum(a * b, axis=1)


@converts("nn.CosineDistance")
def cosine_distance(ctx: Context, m: Module, x: Any) -> Any:
    """Cosine of the angle, row by row; 1e-12 is added to the squared norms."""
    a, b = as_rows(m, x)
    squares = [ops.sum(ops.square(side), axis=1) + 1e-12 for side in (a, b)]
    return ops.sum(a * b, axis=1) * ops.rsqrt(squares[0]) * ops.rsqrt(squares[1])


@converts(
    "nn.PairwiseDistance",
    restrictions="p = 1: where two values are equal the gradient is 0; Torch draws its sign",
)
def pairwise_distance(ctx: Context, m: Module, x: Any) -> Any:
    """The p-norm of the difference, row by row."""
    return ctx.layer(m, PairwiseDistance, m.number("norm", 2.0))(list(as_rows(m, x)))


def rowwise(x: Any, apply: Callable[[Any], Any]) -> Any:
    """``apply`` to a batch of rows; a vector becomes one for that time."""
    if len(x.shape) == 1:
        return ops.squeeze(apply(ops.expand_dims(x, 0)), 0)
    return apply(x)


@converts("nn.Cosine")
def cosine(ctx: Context, m: Module, x: Any) -> Any:
    """Cosines of the angles to learned vectors."""
    layer = ctx.layer(m, Cosine, m.tensors["weight"].size[0])
    y = rowwise(x, layer)
    ctx.bind(m, "weight", layer.kernel, TRANSPOSE)
    return y


@converts("nn.Euclidean", "nn.WeightedEuclidean")
def euclidean(ctx: Context, m: Module, x: Any) -> Any:
    """Distances to learned vectors, the columns of Torch's weight."""
    weighted = "diagCov" in m.tensors
    layer = ctx.layer(m, Euclidean, m.tensors["weight"].size[1], weighted)
    y = rowwise(x, layer)
    ctx.bind(m, "weight", layer.kernel)
    if weighted:
        ctx.bind(m, "diagCov", layer.scale)
    return y


@converts("nn.MM")
def mm(ctx: Context, m: Module, x: Any) -> Any:
    """Matrix product, of one pair or of a batch of pairs, each side transposed if so wanted."""
    a, b = pair(m, x)
    a = ops.swapaxes(a, -1, -2) if m.flag("transA") else a
    return ops.matmul(a, ops.swapaxes(b, -1, -2) if m.flag("transB") else b)


@converts("nn.MV")
def mv(ctx: Context, m: Module, x: Any) -> Any:
    """Matrix times vector, of one pair or of a batch of pairs."""
    matrix, vector = pair(m, x)
    matrix = ops.swapaxes(matrix, -1, -2) if m.flag("trans") else matrix
    return ops.squeeze(ops.matmul(matrix, ops.expand_dims(vector, -1)), -1)


@converts("nn.Bilinear")
def bilinear(ctx: Context, m: Module, x: Any) -> Any:
    """A bilinear form for each output, plus a bias."""
    has_bias = "bias" in m.tensors
    layer = ctx.layer(m, Bilinear, m.tensors["weight"].size[0], has_bias)
    y = layer(list(pair(m, x)))
    ctx.bind(m, "weight", layer.kernel)
    if has_bias:
        ctx.bind(m, "bias", layer.bias)
    return y
