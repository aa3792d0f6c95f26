"""The 32-bit string hash of hashed keys, over many strings at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def jhash_many(texts: Sequence[bytes]) -> NDArray[np.int64]:
    """Hash every text: ``h = 31 * h + byte``, wrapped to signed 32 bits, widened to int64 [n].

    A hash is the sum of ``byte * 31 ** (bytes that follow)`` modulo 2**32; sums of spans are
    differences of one running sum, exact because all of it wraps at 32 bits.
    """
    size = np.fromiter(map(len, texts), np.int64, len(texts))
    data = np.frombuffer(b"".join(texts), np.uint8)
    end = np.cumsum(size)
    following = np.repeat(end, size) - 1 - np.arange(len(data))
    powers = np.full(int(size.max(initial=0)) + 1, 31, np.uint32)
    powers[0] = 1
    np.cumprod(powers, dtype=np.uint32, out=powers)
    running = np.zeros(len(data) + 1, np.uint32)
    np.cumsum(data * powers[following], dtype=np.uint32, out=running[1:])
    hashes: NDArray[np.uint32] = running[end] - running[end - size]
    return hashes.view(np.int32).astype(np.int64)
