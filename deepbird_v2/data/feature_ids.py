"""Feature ids from names, and the hashed keys of feature values.

An id is the first half of MurmurHash3_x64_128 over the name in UTF-16LE. A name with a "#" after
its first character is hashed in two steps, family first. A key mixes an id with a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deepbird_v2.data._jhash import jhash_many
from deepbird_v2.data._murmur import name_hash
from deepbird_v2.data.backend import core

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

_DISCRETE_FACTOR = np.int64(2654435761)


def feature_id(name: str | bytes) -> int:
    """Return the signed 64-bit id of a feature name.

    Args:
        name: The name; bytes are UTF-8. The empty name has id 0.

    Raises:
        ValueError: The name is not valid UTF-8, or holds a lone surrogate.
    """
    return name_hash(_utf8(name))


def feature_ids(names: Iterable[str | bytes]) -> NDArray[np.int64]:
    """Return the ids of many names, int64 [n]; see `feature_id`."""
    return core().name_hashes([_utf8(name) for name in names])


def discrete_keys(ids: ArrayLike, values: ArrayLike) -> NDArray[np.int64]:
    """Keys of discrete values: ``id ^ ((17 + value) * 2654435761)``, wrapped to 64 bits.

    Args:
        ids: int64 [n] or a scalar.
        values: int64 [n] or a scalar.
    """
    mixed = (np.atleast_1d(np.asarray(values, np.int64)) + 17) * _DISCRETE_FACTOR
    return np.asarray(ids, np.int64) ^ mixed


def string_keys(ids: ArrayLike, values: Sequence[bytes]) -> NDArray[np.int64]:
    """Keys of string, sparse binary and (by feature and value name) sparse continuous values.

    Args:
        ids: int64 [n] or a scalar.
        values: n raw byte strings.
    """
    return np.asarray(ids, np.int64) ^ jhash_many(values)


def _utf8(name: str | bytes) -> bytes:
    return name.encode() if isinstance(name, str) else name
