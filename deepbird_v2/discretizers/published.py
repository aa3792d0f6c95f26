"""The discretizers of the published v2 runtime, with its searches, ids and collisions.

These are for models that were trained with them. New ones come from the calibrators, whose ids
never collide.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deepbird_v2.discretizers.errors import StateError
from deepbird_v2.discretizers.search import Search
from deepbird_v2.discretizers.state import Bins, Discretizer, Unknown, UnknownRule

__all__ = ["hashed_percentile", "hashing", "mdl", "multiplicative_hash", "percentile"]

Array = np.ndarray[Any, Any]

# The multipliers of the two hash modes, and how many of the product's low bits they use.
_HASHES = {0: (2654435761, 32), 1: (14695981039346656039, 64)}


def percentile(
    feature_ids: Array, bin_vals: Array, output_bits: int, bin_ids: Array | None = None
) -> Discretizer:
    """The percentile discretizer: bisection over n + 1 edges, ids from 1 in the order of rows.

    Args:
        feature_ids: int64[F] in order of calibration.
        bin_vals: [F, n] edges; float32 edges are compared in float32.
        output_bits: outputs lie in [0, 2**output_bits).
        bin_ids: int64[F, n]; default 1 to F * n.
    """
    bin_vals = _edges(feature_ids, bin_vals)
    size = bin_vals.size
    bin_ids = np.arange(1, size + 1) if bin_ids is None else np.asarray(bin_ids)
    if bin_ids.size != size:
        raise StateError(f"expected bin_ids {bin_vals.shape}, got {bin_ids.shape}")
    if size >= 1 << output_bits:
        raise StateError(f"{size} bins leave no ids for other keys; take more output bits")
    return Discretizer(
        _features(feature_ids, bin_vals, bin_ids.reshape(bin_vals.shape)),
        output_bits,
        Unknown(UnknownRule.MODULO, size, 1 << output_bits),
        Search.BISECTION,
        nan_bin=False,
        float32=bin_vals.dtype == np.float32,
        method="percentile",
        n_bin=bin_vals.shape[1] - 1,
        next_id=min(int(bin_ids.max(initial=0)) + 1, 1 << output_bits),
    )


def mdl(
    feature_ids: Array, bin_vals: Array, output_bits: int, bin_ids: Array | None = None
) -> Discretizer:
    """What went under the name MDL: the percentile layout, other keys by a signed floor modulo."""
    state = percentile(feature_ids, bin_vals, output_bits, bin_ids)
    unknown = Unknown(UnknownRule.FLOOR_MODULO, state.unknown.first, state.unknown.stop)
    return state.replace(unknown=unknown, method="mdl-percentile")


def hashing(feature_ids: Array, bin_vals: Array, output_bits: int, options: int = 0) -> Discretizer:
    """The hashing discretizer: ids are a hash of the feature id and the bin; nothing is reserved.

    Args:
        feature_ids: int64[F].
        bin_vals: [F, n] edges; float32 edges are compared in float32.
        output_bits: outputs lie in [0, 2**output_bits).
        options: bits 1:0 choose the search (2: ``[a,b)``, all others ``(a,b]``), bits 4:2 the
            hash (1: 64 bits, all others 32 bits).

    Raises:
        StateError: the hash has fewer bits than asked for.
    """
    bin_vals = _edges(feature_ids, bin_vals)
    bins = np.arange(bin_vals.shape[1] + 1)
    mode = int(options >> 2 & 7 == 1)
    ids = multiplicative_hash(np.asarray(feature_ids)[:, np.newaxis], bins, output_bits, mode)
    return Discretizer(
        _features(feature_ids, bin_vals, ids),
        output_bits,
        Unknown(UnknownRule.MASK, 0, 1 << output_bits),
        Search.LEFT_CLOSED if options & 3 == 2 else Search.RIGHT_CLOSED,
        nan_bin=False,
        float32=bin_vals.dtype == np.float32,
        method="hashing",
        n_bin=bin_vals.shape[1] - 1,
        next_id=1 << output_bits,
    )


def hashed_percentile(feature_ids: Array, bin_vals: Array, output_bits: int) -> Discretizer:
    """The hashed percentile discretizer: the bisection's bins under hashed ids.

    The published hash function was never open; this is the 64-bit multiplicative one.

    Args:
        feature_ids: int64[F].
        bin_vals: [F, n] edges; float32 edges are compared in float32.
        output_bits: outputs lie in [0, 2**output_bits).
    """
    bin_vals = _edges(feature_ids, bin_vals)
    bins = np.arange(bin_vals.shape[1])
    ids = multiplicative_hash(np.asarray(feature_ids)[:, np.newaxis], bins, output_bits, 1)
    return Discretizer(
        _features(feature_ids, bin_vals, ids),
        output_bits,
        Unknown(UnknownRule.MASK, 0, 1 << output_bits),
        Search.BISECTION,
        nan_bin=False,
        float32=bin_vals.dtype == np.float32,
        method="hashed-percentile",
        n_bin=bin_vals.shape[1] - 1,
        next_id=1 << output_bits,
    )


def multiplicative_hash(features: Array, bins: Array, output_bits: int, mode: int = 1) -> Array:
    """``((feature * A + bin) * A) >> (N - output_bits)``, its low ``output_bits`` bits.

    Args:
        features: int64.
        bins: integers, broadcast against ``features``.
        output_bits: size of the result.
        mode: 0 for A = 2654435761 and N = 32, 1 for A = 14695981039346656039 and N = 64.

    Raises:
        StateError: the hash has fewer bits than asked for.
    """
    factor, bits = _HASHES[mode]
    if output_bits > bits:
        raise StateError(f"a {bits}-bit hash has no {output_bits} output bits")
    a = np.uint64(factor)
    keys, bins = np.asarray(features, np.int64).astype(np.uint64), np.asarray(bins, np.uint64)
    with np.errstate(over="ignore"):
        mixed = (keys * a + bins) * a
    shifted = mixed >> np.uint64(bits - output_bits)
    return (shifted & np.uint64((1 << output_bits) - 1)).astype(np.int64)


def _edges(feature_ids: Array, bin_vals: Array) -> Array:
    bin_vals = np.asarray(bin_vals)
    if np.ndim(feature_ids) != 1 or bin_vals.ndim != 2 or len(bin_vals) != len(feature_ids):
        raise StateError(
            f"expected feature_ids [F] and bin_vals [F, n], "
            f"got {np.shape(feature_ids)} and {bin_vals.shape}"
        )
    return bin_vals if bin_vals.dtype == np.float32 else bin_vals.astype(np.float64)


def _features(feature_ids: Array, bin_vals: Array, ids: Array) -> tuple[Bins, ...]:
    rows = zip(np.asarray(feature_ids).tolist(), bin_vals, ids, strict=True)
    return tuple(Bins(feature, edges, row) for feature, edges, row in rows)
