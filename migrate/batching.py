"""Images and sequences with and without a leading batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from migrate.context import ConversionError
from migrate.graph import Module

__all__ = ["batchwise", "static_sizes"]


def batchwise(m: Module, x: Any, rank: int, apply: Callable[[Any], Any]) -> Any:
    """``apply`` to ``x`` as a batch; one image alone becomes a batch of one for that time.

    Args:
        m: the module, for errors.
        x: [N, *S, C], or [*S, C].
        rank: number of spatial axes S.
        apply: takes and gives batches.

    Raises:
        ConversionError: ``x`` has another number of dimensions, or is one image of open size.
    """
    if len(x.shape) == rank + 2:
        return apply(x)
    if len(x.shape) != rank + 1:
        raise ConversionError(
            f"{m}: takes {rank + 1} or {rank + 2} dimensions, its input has {len(x.shape)}"
        )
    if rank > 1:  # the leading dimension is the channels; only sequences have an open one
        static_sizes(m, x.shape)
    return keras.ops.squeeze(apply(keras.ops.expand_dims(x, 0)), 0)


def static_sizes(m: Module, sizes: tuple[int | None, ...]) -> tuple[int, ...]:
    """Sizes that must be known while converting.

    Raises:
        ConversionError: one of them is open.
    """
    known = tuple(n for n in sizes if n is not None)
    if len(known) < len(sizes):
        raise ConversionError(f"{m}: the size of its input must be known, it is {sizes}")
    return known
