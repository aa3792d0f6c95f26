"""Noise from Torch's stream in place of TensorFlow's, and training steps."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbird_v2.layers.dropout import BernoulliDropout, WhiteNoise
from deepbird_v2.optimizers import LBFGS, SGD
from deepbird_v2.training import NoiseUse, Replay, TorchStream, Trainer


def two_dropouts() -> keras.Model:
    x = keras.Input((3,), name="x")
    a = keras.layers.Dropout(0.25, name="a")(x)
    b = BernoulliDropout(0.5, "inference", name="b")(x)
    still = keras.layers.Dropout(0.0, name="still")(b)
    return keras.Model(x, [a, still])


def test_draws_in_the_order_asked_for() -> None:
    model, x = two_dropouts(), tf.ones((2, 3))
    for order in (("a", "b"), ("b", "a")):
        replay = Replay(model, [NoiseUse(name) for name in order])
        stream, again = TorchStream(5), TorchStream(5)
        a, b = replay(x, replay.draw(stream, 2))
        drawn = {name: again.bernoulli({"a": 0.75, "b": 0.5}[name], (2, 3)) for name in order}
        np.testing.assert_array_equal(a, drawn["a"].astype("float32") / np.float32(0.75))
        np.testing.assert_array_equal(b, drawn["b"])


def test_planes_and_transposed_layouts() -> None:
    x = keras.Input((4, 5, 2), name="x")
    planes = BernoulliDropout(0.5, "inference", shared_axes=(1, 2), name="planes")(x)
    whole = keras.layers.Dropout(0.5, name="whole")(x)
    axes = (0, 2, 3, 1)  # channels last, where Torch has them second
    replay = Replay(
        keras.Model(x, [planes, whole]), [NoiseUse("planes", 0, axes), NoiseUse("whole", 0, axes)]
    )
    masks, again = replay.draw(TorchStream(1), 3), TorchStream(1)
    np.testing.assert_array_equal(
        masks[0], again.bernoulli(0.5, (3, 2, 1, 1)).transpose(axes).astype("float32")
    )
    np.testing.assert_array_equal(
        masks[1], 2 * again.bernoulli(0.5, (3, 2, 4, 5)).transpose(axes).astype("float32")
    )


def test_noise_is_added_and_a_shared_layer_draws_at_every_use() -> None:
    x = keras.Input((3,), name="x")
    noise, drop = WhiteNoise(1.0, 0.5, name="noise"), keras.layers.Dropout(0.5, name="drop")
    model = keras.Model(x, drop(noise(drop(x))))
    replay = Replay(model, [NoiseUse("drop", 0), NoiseUse("noise"), NoiseUse("drop", 1)])
    values, again = np.full((4, 3), 3.0, "float32"), TorchStream(9)
    got = replay(tf.constant(values), replay.draw(TorchStream(9), 4))
    first = 2 * again.bernoulli(0.5, (4, 3))
    added = again.normal(1.0, 0.5, (4, 3))
    second = 2 * again.bernoulli(0.5, (4, 3))
    np.testing.assert_allclose(got, (values * first + added) * second, rtol=1e-6)


def test_sparse_and_ragged_inputs_stay_what_they_are() -> None:
    x = keras.Input((5,), sparse=True, name="x")
    model = keras.Model(x, keras.layers.Dropout(0.5)(keras.layers.Dense(2)(x)))
    replay = Replay(model)
    sparse = tf.sparse.from_dense(np.eye(5, dtype="float32"))
    assert replay(sparse, replay.draw(TorchStream(1), 5)).shape == (5, 2)


def test_refuses_what_it_cannot_replay() -> None:
    with pytest.raises(ValueError, match=r"leaves out \[\('b', 0\)\]"):
        Replay(two_dropouts(), [NoiseUse("a")])
    x = keras.Input((3,))
    with pytest.raises(ValueError, match="cannot be replayed"):
        Replay(keras.Model(x, keras.layers.GaussianNoise(0.1)(x)))
    x = keras.Input((None, 3))
    replay = None
    with pytest.raises(ValueError, match="cannot draw its noise ahead"):
        replay = Replay(keras.Model(x, keras.layers.Dropout(0.1)(x)))
    assert replay is None


def linear(**options) -> tuple[keras.Model, Trainer]:
    keras.utils.set_random_seed(1)
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(1)(x))
    options.setdefault("optimizer", SGD(0.1))
    return model, Trainer(model, lambda y, t: tf.reduce_mean((y - t) ** 2), **options)


def test_steps_lower_the_loss_compiled_or_not() -> None:
    x, t = np.eye(3, dtype="float32"), np.ones((3, 1), "float32")
    runs = [list(linear(compiled=c)[1].run([(x, t)] * 5)) for c in (True, False)]
    np.testing.assert_allclose(*runs, rtol=1e-6)
    assert runs[0][-1] < runs[0][0]


def test_minimizers_give_every_loss_they_saw() -> None:
    x, t = np.eye(3, dtype="float32"), np.ones((3, 1), "float32")
    _, trainer = linear(optimizer=LBFGS(max_iter=5))
    losses = trainer.step(tf.constant(x), tf.constant(t))
    assert len(losses) == 5
    assert losses[-1] < 1e-3 * losses[0]


def test_tied_variables_move_together() -> None:
    x = keras.Input((2,))
    a, b = keras.layers.Dense(1, use_bias=False), keras.layers.Dense(1, use_bias=False)
    model = keras.Model(x, a(x) * 2.0 + b(x))
    b.kernel.assign(a.kernel)
    trainer = Trainer(model, lambda y, t: tf.reduce_sum(y - t), SGD(0.1), ties=[(0, 1)])
    before = a.kernel.numpy()
    trainer.step(tf.ones((1, 2)), tf.zeros((1, 1)))
    np.testing.assert_array_equal(a.kernel.numpy(), b.kernel.numpy())
    np.testing.assert_allclose(before - a.kernel.numpy(), 0.3, rtol=1e-5)


def test_replay_and_stream_go_together() -> None:
    with pytest.raises(ValueError, match="go together"):
        linear(stream=TorchStream(1))
