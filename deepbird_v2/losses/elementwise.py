"""Losses that compare an input with a target of its shape, element by element.

Shapes: ``x`` and ``target`` are any shape, the same for both; ``weights`` is [features], the last
dimension. ``average`` takes the mean over all elements in place of the sum.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

__all__ = [
    "absolute_error",
    "absolute_sum",
    "binary_cross_entropy",
    "cropped_squared_error",
    "hinge_embedding",
    "kl_divergence",
    "margin",
    "sigmoid_cross_entropy",
    "smooth_l1",
    "soft_margin",
    "squared_error",
    "weighted_squared_error",
]


def reduce(values: Any, average: bool) -> Any:
    """The mean, or the sum."""
    return tf.reduce_mean(values) if average else tf.reduce_sum(values)


def like(x: Any, target: Any) -> Any:
    """The target in the input's type, and in its shape where it has as many dimensions' worth."""
    target = tf.cast(target, x.dtype)
    return target if not target.shape.rank else tf.reshape(target, tf.shape(x))


def absolute_error(x: Any, target: Any, average: bool = True) -> Any:
    """|x - t|; the derivative at 0 is 1."""
    difference = x - like(x, target)
    return reduce(tf.where(difference >= 0, difference, -difference), average)


def absolute_sum(x: Any) -> Any:
    """Σ|x|; there is no target."""
    return tf.reduce_sum(tf.abs(x))


def squared_error(x: Any, target: Any, average: bool = True) -> Any:
    """(x - t)²."""
    return reduce(tf.square(x - like(x, target)), average)


def weighted_squared_error(x: Any, target: Any, weights: Any, average: bool = True) -> Any:
    """(x - w·t)²: the weight, of the shape of a row or of all, scales the target."""
    return squared_error(x, like(x, target) * tf.constant(weights, x.dtype), average)


def cropped_squared_error(x: Any, target: Any, average: bool = True) -> Any:
    """(x - t)² of the target's middle, as high and wide as the input [..., height, width]."""
    size, whole = tf.shape(x)[-2:], tf.shape(target)[-2:]
    corner = (whole - size) // 2
    end = corner + size
    return squared_error(x, target[..., corner[0] : end[0], corner[1] : end[1]], average)


def smooth_l1(x: Any, target: Any, average: bool = True) -> Any:
    """d²/2 where |d| < 1, else |d| - 1/2, of d = x - t."""
    size = tf.abs(x - like(x, target))
    return reduce(tf.where(size < 1, tf.square(size) / 2, size - 0.5), average)


def binary_cross_entropy(
    x: Any, target: Any, weights: Any = None, average: bool = True, epsilon: float = 1e-12
) -> Any:
    """-(t log(x + ε) + (1 - t) log(1 - x + ε)) of probabilities, in double.

    The derivative is (x - t) / ((1 - x + ε)(x + ε)): a saturated output that is right has none.
    """

    @tf.custom_gradient
    def loss(p: Any) -> Any:
        q, t = tf.cast(p, tf.float64), tf.cast(like(p, target), tf.float64)
        w = tf.constant(1.0 if weights is None else weights, tf.float64)
        rest = tf.abs(1 - q)  # abs keeps graph optimizers from computing 1 + epsilon first
        logs = tf.math.log(q + epsilon) * t + tf.math.log(rest + epsilon) * (1 - t)

        def gradient(upstream: Any) -> Any:
            slope = w * (q - t) / ((rest + epsilon) * (q + epsilon))
            count = tf.cast(tf.size(q) if average else 1, tf.float64)
            return upstream * tf.cast(slope / count, p.dtype)

        return tf.cast(reduce(-w * logs, average), p.dtype), gradient

    return loss(x)


def sigmoid_cross_entropy(x: Any, target: Any, weights: Any = None, average: bool = True) -> Any:
    """Binary cross-entropy of sigmoid(x), weighted by feature."""
    values = tf.nn.sigmoid_cross_entropy_with_logits(labels=like(x, target), logits=x)
    if weights is not None:
        values = values * tf.constant(weights, x.dtype)
    return reduce(values, average)


def kl_divergence(x: Any, target: Any, average: bool = True) -> Any:
    """Of a target from the exponential of x: t (log t - x) where t > 0, else 0."""
    t = like(x, target)
    logs = tf.math.log(tf.where(t > 0, t, tf.ones_like(t)))
    return reduce(tf.where(t > 0, t * (logs - x), tf.zeros_like(x)), average)


def soft_margin(x: Any, target: Any, average: bool = True) -> Any:
    """log(1 + exp(-x·t)), t being 1 or -1."""
    return reduce(tf.nn.softplus(-x * like(x, target)), average)


def margin(x: Any, target: Any, margin: float = 1.0, average: bool = True) -> Any:
    """max(0, margin - x·t), t being 1 or -1."""
    excess = margin - x * like(x, target)
    return reduce(tf.where(excess > 0, excess, tf.zeros_like(excess)), average)


def hinge_embedding(x: Any, target: Any, margin: float = 1.0, average: bool = True) -> Any:
    """A distance x where t = 1, max(0, margin - x) where t = -1."""
    t, none = like(x, target), tf.zeros_like(x)
    near = tf.where(tf.equal(t, -1), none, x)
    far = tf.where(tf.equal(t, 1) | (x > margin), none, margin - x)
    return reduce(near + far, average)
