"""Noise layers: how often, how much, along what, and only when it should be."""

from __future__ import annotations

import numpy as np
import pytest

from deepbird_v2.layers.dropout import BernoulliDropout, WhiteNoise

ROWS, WIDTH = 400, 50  # 20,000 draws: a share of 0.3 is off by more than 0.02 once in 10^9 seeds


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(("scale", "kept"), [("training", 1 / 0.7), ("inference", 1.0)])
def test_training_keeps_the_right_share(scale: str, kept: float) -> None:
    y = np.asarray(BernoulliDropout(0.3, scale, seed=1)(ones(ROWS, WIDTH), training=True))
    np.testing.assert_allclose(np.unique(y), [0, kept], rtol=1e-6)
    assert abs((y == 0).mean() - 0.3) < 0.02


@pytest.mark.parametrize(("scale", "factor"), [("training", 1.0), ("inference", 0.7)])
def test_inference_draws_nothing(scale: str, factor: float) -> None:
    y = BernoulliDropout(0.3, scale)(ones(3, 4), training=False)
    np.testing.assert_allclose(y, np.full((3, 4), factor), rtol=1e-6)


def test_always_draws_at_inference_and_differently_each_time() -> None:
    layer = BernoulliDropout(0.5, always=True, seed=3)
    first, second = np.asarray(layer(ones(20, 20))), np.asarray(layer(ones(20, 20)))
    assert set(np.unique(first)) == {0.0, 2.0}
    assert (first != second).any()


@pytest.mark.parametrize(("shape", "axes"), [((8, 5, 6, 30), (1, 2)), ((7, 40, 3), (0, -1))])
def test_shared_axes_are_dropped_together(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    y = np.asarray(BernoulliDropout(0.5, "inference", axes, seed=5)(ones(*shape), training=True))
    assert (y.min(axis=axes) == y.max(axis=axes)).all()
    assert 0 < y.mean() < 1


def test_the_gradient_passes_where_the_value_did() -> None:
    tf = pytest.importorskip("tensorflow")
    x = tf.Variable(ones(6, 7))
    with tf.GradientTape() as tape:
        y = BernoulliDropout(0.5, seed=2)(x, training=True)
    np.testing.assert_array_equal(tape.gradient(y, x), y)


def test_noise_has_its_mean_and_deviation() -> None:
    layer = WhiteNoise(2.0, 3.0, seed=4)
    y = np.asarray(layer(np.zeros((ROWS, WIDTH), np.float32), training=True))
    assert abs(y.mean() - 2) < 0.15
    assert abs(y.std() - 3) < 0.15
    np.testing.assert_array_equal(layer(ones(2, 2), training=False), np.full((2, 2), 3.0))


@pytest.mark.parametrize(
    "layer",
    [BernoulliDropout(0.25, "inference", (1, 2), always=True, seed=7), WhiteNoise(0.5, 2.0, 8)],
)
def test_a_saved_layer_comes_back(layer: BernoulliDropout | WhiteNoise) -> None:
    again = type(layer).from_config(layer.get_config())
    x = ones(2, 3, 4, 5)
    np.testing.assert_array_equal(
        again(x, training=True), type(layer).from_config(layer.get_config())(x, training=True)
    )
    assert again.get_config() == layer.get_config()


def test_an_impossible_rate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        BernoulliDropout(1.0)
