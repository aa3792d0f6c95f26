"""Losses of two inputs: is one nearer, or greater, than the other as it should be?

Shapes: ``x`` is a list of two tensors, [batch, features] or without the batch for embeddings,
any one shape for scores and distances; ``target`` holds 1 or -1 for each pair.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

__all__ = ["cosine_embedding", "distance_ratio", "l1_hinge_embedding", "margin_ranking"]


def cosine_embedding(x: Any, target: Any, margin: float = 0.0, average: bool = True) -> Any:
    """1 - cos of a pair where y = 1, max(0, cos - margin) where y = -1."""
    a, b = (v[None] if len(v.shape) == 1 else v for v in x)
    y = tf.reshape(tf.cast(target, a.dtype), [-1])
    norms = [tf.reduce_sum(tf.square(v), 1) + 1e-12 for v in (a, b)]
    cosine = tf.reduce_sum(a * b, 1) / tf.sqrt(norms[0] * norms[1])
    above = cosine - margin
    unlike = tf.where(above > 0, above, tf.zeros_like(above))
    losses = tf.where(tf.equal(y, 1), 1 - cosine, tf.where(tf.equal(y, -1), unlike, cosine))
    losses = tf.where(losses > 0, losses, tf.stop_gradient(losses))
    return tf.reduce_mean(losses) if average else tf.reduce_sum(losses)


def l1_hinge_embedding(x: Any, target: Any, margin: float = 1.0) -> Any:
    """The L1 distance of a pair, or max(0, margin - distance) where y = -1.

    Where the two are equal the gradient is 0.
    """
    distance = tf.reduce_sum(tf.abs(x[0] - x[1]))
    short = margin - distance
    unlike = tf.where(short >= 0, short, tf.zeros_like(short))
    y = tf.reshape(tf.cast(target, distance.dtype), [])
    return tf.where(tf.equal(y, -1), unlike, distance)


def margin_ranking(x: Any, target: Any, margin: float = 1.0, average: bool = True) -> Any:
    """max(0, margin - y (a - b)); one number as y compares the first elements only."""
    a, b = x
    y = tf.cast(target, a.dtype)
    if not target.shape.rank:
        a, b = tf.reshape(a, [-1])[0], tf.reshape(b, [-1])[0]
    else:
        y = tf.reshape(y, tf.shape(a))
    excess = margin - y * (a - b)
    losses = tf.where(excess >= 0, excess, tf.zeros_like(excess))
    if not average or not target.shape.rank:
        return tf.reduce_sum(losses)
    return tf.reduce_sum(losses) / tf.cast(tf.shape(target)[0], losses.dtype)


def distance_ratio(x: Any, average: bool = True) -> Any:
    """-log(e⁻ᵃ / (e⁻ᵃ + e⁻ᵇ)) for the distances a of a like and b of an unlike pair."""
    total = tf.reduce_sum(tf.nn.softplus(x[0] - x[1]))
    return total / tf.cast(tf.shape(x[0])[0], total.dtype) if average else total
