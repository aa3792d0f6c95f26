"""Gradients against finite differences: right ones pass, wrong ones do not."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import migrate
from migrate.graph import build
from verify.gradients import in_double, measure, verify_gradients
from verify.verdict import Status

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.mark.parametrize(
    "case", ["mlp_prelu_sigmoid", "siamese_shared", "sparse_first", "cleared_state"]
)
def test_models_of_torch(case: str) -> None:
    folder = GOLDEN / "models" / case
    report = verify_gradients(folder / "model.t7", folder / "input.t7")
    assert report.verdict.status is Status.PASS
    assert len(report.verdict.checks) >= 4
    assert all(check.numbers["off_oracle64"] < 1e-9 for check in report.verdict.checks)


def test_the_production_model() -> None:
    folder = GOLDEN / "flights"
    report = verify_gradients(folder / "flights.t7", folder / "requests.lzo")
    assert report.verdict.status is Status.PASS
    with pytest.raises(ValueError, match="give some"):
        verify_gradients(folder / "flights.t7")


def test_an_input_is_made_where_the_model_says_its_shape() -> None:
    report = verify_gradients(GOLDEN / "training" / "sgd_plain" / "model_init.t7")
    assert report.verdict.status is Status.PASS


def test_a_wrong_gradient_is_found(monkeypatch) -> None:
    @tf.custom_gradient
    def leaky(x: tf.Tensor):
        return tf.tanh(x), lambda g: g * (1 - 0.99 * tf.tanh(x) ** 2)

    class Leaky(keras.layers.Layer):
        def call(self, x: tf.Tensor) -> tf.Tensor:
            return leaky(x)

    from migrate import registry

    entry = registry.lookup("nn.Tanh")
    wrong = type(entry)(**{**vars(entry), "function": lambda ctx, m, x: ctx.layer(m, Leaky)(x)})
    monkeypatch.setattr(
        "migrate.context.lookup", lambda c: wrong if c == "nn.Tanh" else registry.lookup(c)
    )
    folder = GOLDEN / "training" / "sgd_nesterov"
    report = verify_gradients(folder / "model_init.t7")
    assert report.verdict.status is Status.FAIL
    assert report.verdict.decisive.name.startswith("1.Linear")


def test_double_keeps_sharing_and_leaves_the_original() -> None:
    model = build(migrate.load_t7(GOLDEN / "models" / "siamese_shared" / "model.t7"))
    wide = in_double(model)
    towers = [child.children for child in wide.children[0].children]
    assert towers[0][0].tensors["weight"].storage is towers[1][0].tensors["weight"].storage
    assert towers[0][0].array("weight").dtype == np.float64
    np.testing.assert_array_equal(
        towers[0][0].array("weight"), model.children[0].children[0].children[0].array("weight")
    )


def test_slopes_have_the_parameters_order() -> None:
    module = build(migrate.load_t7(GOLDEN / "training" / "sgd_plain" / "model_init.t7"))
    x = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    paths = list(dict.fromkeys(slope.path for slope in measure(module, x)))
    assert paths == [
        "1.Linear.weight",
        "1.Linear.bias",
        "2.PReLU.weight",
        "3.Linear.weight",
        "3.Linear.bias",
    ]
