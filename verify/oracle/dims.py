"""How Torch's modules count dimensions: from 1, from the end, or without the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from verify.oracle.base import OracleError

if TYPE_CHECKING:
    from migrate.graph import Module

__all__ = ["axis_of", "channel_axis", "zeros"]


def axis_of(node: Module, rank: int, name: str = "dimension", default: int | None = None) -> int:
    """NumPy's axis for Torch's dimension field.

    Args:
        node: the module; its `nInputDims` says how many dimensions one sample has.
        rank: of the input.
        name: of the field.
        default: where the field is missing.

    Raises:
        OracleError: the input has no such dimension.
    """
    dimension = node.integer(name, default)
    if dimension < 0:
        dimension += rank + 1
    elif node.get("nInputDims") is not None and rank == node.integer("nInputDims") + 1:
        dimension += 1
    if not 1 <= dimension <= rank:
        raise OracleError(f"{node}: dimension {dimension} of an input of {rank} dimensions")
    return dimension - 1


def channel_axis(rank: int) -> int:
    """The axis THNN takes for the channels: the first of 1 or 3 dimensions, else the second."""
    return 0 if rank in (1, 3) else 1


def zeros(x: Any) -> Any:
    """Zeros in the form of ``x``: an array, or nested lists of arrays."""
    return [zeros(entry) for entry in x] if isinstance(x, list) else np.zeros_like(x)
