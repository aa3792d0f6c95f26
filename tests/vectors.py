"""Vectors of the published v2 runtime."""

from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parents[1] / "golden"


def cases(file):
    """Case name → field → array, of a ``cN_field`` archive."""
    found = {}
    with np.load(GOLDEN / "v2_runtime" / file) as data:
        for key in data.files:
            name, _, field = key.partition("_")
            found.setdefault(name, {})[field] = data[key]
    return found
