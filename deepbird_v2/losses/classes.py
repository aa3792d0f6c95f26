"""Losses whose targets are classes, numbered from 1.

Shapes: ``x`` is [batch, classes] or [classes], ``target`` [batch] or one number of any type;
``weights`` is [classes].
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from deepbird_v2.losses.elementwise import squared_error

__all__ = [
    "cross_entropy",
    "multi_label_margin",
    "multi_margin",
    "negative_log_likelihood",
    "pixel_cross_entropy",
    "pixel_negative_log_likelihood",
    "simplex_squared_error",
]


def rows_of(x: Any) -> Any:
    """[rows, classes], also of one row without a batch."""
    return x[None] if len(x.shape) == 1 else x


def indices_of(target: Any, rows: Any) -> Any:
    """Class numbers as int64 indices from 0, one a row; out of range is TensorFlow's to refuse."""
    return tf.reshape(tf.cast(target, tf.int64), [-1])[: tf.shape(rows)[0]] - 1


def negative_log_likelihood(
    x: Any,
    target: Any,
    weights: Any = None,
    average: bool = True,
    ignored: int = -100,
) -> Any:
    """Minus the log-probability of the class, weighted; the mean divides by the weights' sum.

    Args:
        x: log-probabilities.
        target: classes; a row whose class is ``ignored`` does not count.
        weights: of the classes.
        average: take the mean.
        ignored: class number to skip.
    """
    rows = rows_of(x)
    index = indices_of(target, rows)
    keep = tf.not_equal(index, ignored - 1)
    safe = tf.where(keep, index, tf.zeros_like(index))
    with tf.control_dependencies([_check_classes(safe, rows)]):
        picked = tf.gather(rows, safe, batch_dims=1)
    ones = tf.ones_like(picked)
    each = ones if weights is None else tf.gather(tf.constant(weights, x.dtype), safe)
    each = tf.where(keep, each, tf.zeros_like(each))
    loss = -tf.reduce_sum(tf.where(keep, picked * each, tf.zeros_like(picked)))
    total = tf.reduce_sum(each)
    return loss / tf.where(tf.equal(total, 0), tf.ones_like(total), total) if average else loss


def _check_classes(index: Any, rows: Any) -> Any:
    """Refuse classes out of range everywhere, as XLA and GPUs would clip them without a word."""
    classes = tf.shape(rows, tf.int64)[1]
    inside = tf.reduce_all((index >= 0) & (index < classes))
    return tf.debugging.Assert(inside, ["a target is outside 1..classes:", index + 1, classes])


def pixel_negative_log_likelihood(
    x: Any, target: Any, weights: Any = None, average: bool = True, ignored: int = -100
) -> Any:
    """The same of every pixel: x is [batch, classes, ...], target [batch, ...]."""
    last = tf.transpose(x, [0, *range(2, len(x.shape)), 1])
    rows = tf.reshape(last, [-1, tf.shape(x)[1]])
    return negative_log_likelihood(rows, target, weights, average, ignored)


def pixel_cross_entropy(
    x: Any, target: Any, weights: Any = None, average: bool = True, ignored: int = -100
) -> Any:
    """Negative log-likelihood of the softmax over the classes of every pixel."""
    logs = tf.nn.log_softmax(x, axis=1)
    return pixel_negative_log_likelihood(logs, target, weights, average, ignored)


def cross_entropy(
    x: Any, target: Any, weights: Any = None, average: bool = True, ignored: int = -100
) -> Any:
    """Negative log-likelihood of log_softmax(x), without dimensions of size 1 after the first."""
    single = [axis for axis, size in enumerate(x.shape) if axis and size == 1]
    squeezed = tf.squeeze(x, single) if single else x
    return negative_log_likelihood(tf.nn.log_softmax(squeezed), target, weights, average, ignored)


def simplex_squared_error(x: Any, target: Any, corners: Any, average: bool = True) -> Any:
    """(x - corner of the class)²; ``corners`` is [classes, features]."""
    points = tf.constant(corners, x.dtype)
    rows = rows_of(x)
    index = indices_of(target, rows)
    with tf.control_dependencies([_check_classes(index, tf.transpose(points))]):
        return squared_error(rows, tf.gather(points, index), average)


def multi_margin(
    x: Any,
    target: Any,
    p: int = 1,
    weights: Any = None,
    margin: float = 1.0,
    average: bool = True,
) -> Any:
    """The mean over classes of max(0, margin - x[class] + x[other])^p, weighted by class."""
    rows = rows_of(x)
    index = indices_of(target, rows)
    with tf.control_dependencies([_check_classes(index, rows)]):
        own = tf.gather(rows, index, batch_dims=1)[:, None]
    is_own = tf.cast(tf.one_hot(index, tf.shape(rows)[1]), tf.bool)
    excess = margin - own + rows
    excess = tf.where((excess > 0) & ~is_own, excess, tf.zeros_like(excess))
    losses = excess if p == 1 else tf.square(excess)
    if weights is not None:
        losses = losses * tf.gather(tf.constant(weights, x.dtype), index)[:, None]
    sums = tf.reduce_sum(losses, 1) / tf.cast(tf.shape(rows)[1], x.dtype)
    return tf.reduce_mean(sums) if average else tf.reduce_sum(sums)


def multi_label_margin(x: Any, target: Any, average: bool = True) -> Any:
    """Like the multi-class margin for each of several classes.

    Args:
        x: [batch, classes] or [classes].
        target: of the same shape: the classes of a row; the first 0 ends them.
        average: take the mean over rows, too.
    """
    rows = rows_of(x)
    labels = tf.reshape(tf.cast(target, tf.int64), tf.shape(rows, tf.int64))
    listed = tf.math.cumprod(tf.cast(labels > 0, tf.int64), axis=1) > 0
    index = tf.where(listed, labels - 1, tf.zeros_like(labels))
    with tf.control_dependencies([_check_classes(index, rows)]):
        own = tf.gather(rows, index, batch_dims=1)
    marks = tf.one_hot(tf.where(listed, labels - 1, -tf.ones_like(labels)), tf.shape(rows)[1])
    is_label = tf.reduce_any(marks > 0, axis=1)
    excess = 1 - own[:, :, None] + rows[:, None, :]  # [row, label, other class]
    counts = (excess > 0) & listed[:, :, None] & ~is_label[:, None, :]
    losses = tf.where(counts, excess, tf.zeros_like(excess))
    sums = tf.reduce_sum(losses, [1, 2]) / tf.cast(tf.shape(rows)[1], x.dtype)
    return tf.reduce_mean(sums) if average else tf.reduce_sum(sums)
