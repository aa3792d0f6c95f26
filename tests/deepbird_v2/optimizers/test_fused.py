"""TensorFlow's own kernels, where an optimizer uses them, give the bits of the rule."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbird_v2.optimizers import Adagrad


class Plain(Adagrad):
    """By the rule alone."""

    def fused(self, *_: object) -> bool:
        return False


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sparse", [False, True])
def test_bit_for_bit(dtype: str, sparse: bool) -> None:
    rng = np.random.default_rng(4)
    made = []
    start, shape = rng.normal(size=(40, 7)), (40, 7)
    for kind in (Adagrad, Plain):
        variable = keras.Variable(start, dtype=dtype)
        optimizer = kind(0.3, learning_rate_decay=0.01)
        optimizer.build([variable])
        made.append((optimizer, variable))
    for _ in range(20):
        values = rng.normal(size=shape) * 10.0 ** rng.integers(-20, 8, size=shape)
        values[rng.random(shape) < 0.1] = 0.0
        rows = rng.integers(0, 40, 40)
        for optimizer, variable in made:
            grad = tf.constant(values, dtype)
            if sparse:
                grad = tf.IndexedSlices(grad, tf.constant(rows), tf.constant(shape, tf.int64))
            optimizer.apply([grad], [variable])
    (one, x), (other, y) = made
    np.testing.assert_array_equal(x.numpy(), y.numpy())
    np.testing.assert_array_equal(*(o.state["squares"][0].numpy() for o in (one, other)))
    assert not np.array_equal(x.numpy(), start.astype(dtype))
