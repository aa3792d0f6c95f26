"""Many tests at once: which discoveries to believe."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values so that those at most q hold a share of false discoveries of at most q.

    Args:
        p_values: p-values in [0, 1], [tests].

    Returns:
        Adjusted p-values in the same order, [tests].

    Raises:
        ValueError: A p-value is outside [0, 1] or NaN.
    """
    p = np.asarray(p_values, np.float64)
    if not bool(np.all((p >= 0.0) & (p <= 1.0))):
        raise ValueError("p-values must be in [0, 1]")
    order = np.argsort(p)[::-1]
    scaled = p[order] * len(p) / np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum.accumulate(scaled) if len(p) else scaled
    return np.minimum(adjusted, 1.0)
