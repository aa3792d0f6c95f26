"""Torch objects from constructor arguments: what ``nn.Linear(7, 5)`` makes, before training.

Fields bear the names Torch gives them. Tensors have the right shape, and Torch's values where its
constructor sets constants; where it draws random numbers they are zero. :mod:`migrate.fill` puts
weights into them. What ``forward`` and ``backward`` leave behind (outputs, gradients, buffers) is
left out, as it is from a model after ``clearState()``.
"""

from __future__ import annotations

from migrate.construct import (
    containers,
    convolution,
    deepbird,
    linear,
    local_normalization,
    normalization,
    plain,
    pooling,
    reshape,
)
from migrate.construct.constructor import ConstructError, Constructor, construct, constructible
from migrate.construct.objects import make, tensor

FAMILIES = (
    containers, convolution, deepbird, linear, local_normalization, normalization, plain, pooling,
    reshape,
)  # fmt: skip

__all__ = [
    "FAMILIES",
    "ConstructError",
    "Constructor",
    "construct",
    "constructible",
    "make",
    "tensor",
]
