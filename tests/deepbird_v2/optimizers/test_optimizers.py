"""Update rules against the oracle's, sparse gradients against dense ones, and serialization."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbird_v2 import optimizers
from verify.oracle.optim import step

ROWS, WIDTH = 11, 3

# name: our optimizer, Torch's method and options
RULES = {
    "sgd": (
        lambda: optimizers.SGD(0.1, learning_rate_decay=0.2),
        "sgd",
        {"learningRate": 0.1, "learningRateDecay": 0.2},
    ),
    "sgd_momentum": (
        lambda: optimizers.SGD(0.1, 0.9),
        "sgd",
        {"learningRate": 0.1, "momentum": 0.9},
    ),
    "sgd_dampening": (
        lambda: optimizers.SGD(0.1, 0.9, 0.3, l2=0.01),
        "sgd",
        {"learningRate": 0.1, "momentum": 0.9, "dampening": 0.3, "weightDecay": 0.01},
    ),
    "sgd_nesterov": (
        lambda: optimizers.SGD(0.1, 0.9, 0, nesterov=True),
        "sgd",
        {"learningRate": 0.1, "momentum": 0.9, "dampening": 0, "nesterov": True},
    ),
    "nag": (
        lambda: optimizers.NAG(0.1, 0.8, learning_rate_decay=0.1),
        "nag",
        {"learningRate": 0.1, "momentum": 0.8, "learningRateDecay": 0.1},
    ),
    "sgd_nesterov_l2": (
        lambda: optimizers.SGD(0.1, 0.9, 0, nesterov=True, l2=0.05, learning_rate_decay=0.1),
        "sgd",
        {
            "learningRate": 0.1,
            "momentum": 0.9,
            "dampening": 0,
            "nesterov": True,
            "weightDecay": 0.05,
            "learningRateDecay": 0.1,
        },
    ),
    "nag_l2": (
        lambda: optimizers.NAG(0.1, l2=0.1),
        "nag",
        {"learningRate": 0.1, "weightDecay": 0.1},
    ),
    "adagrad": (lambda: optimizers.Adagrad(0.1), "adagrad", {"learningRate": 0.1}),
    "adagrad_l2": (
        lambda: optimizers.Adagrad(0.1, l2=0.1, learning_rate_decay=0.3),
        "adagrad",
        {"learningRate": 0.1, "weightDecay": 0.1, "learningRateDecay": 0.3},
    ),
    "adam": (
        lambda: optimizers.Adam(0.1, 0.8, 0.95, 1e-3, learning_rate_decay=0.5),
        "adam",
        {
            "learningRate": 0.1,
            "beta1": 0.8,
            "beta2": 0.95,
            "epsilon": 1e-3,
            "learningRateDecay": 0.5,
        },
    ),
    "adamax": (
        lambda: optimizers.Adamax(0.1, beta_1=0.7, l2=0.1),
        "adamax",
        {"learningRate": 0.1, "beta1": 0.7, "weightDecay": 0.1},
    ),
    "adam_l2": (
        lambda: optimizers.Adam(l2=0.1),
        "adam",
        {"weightDecay": 0.1},
    ),
    "adadelta": (
        lambda: optimizers.Adadelta(rho=0.7, epsilon=1e-3, l2=0.1),
        "adadelta",
        {"rho": 0.7, "eps": 1e-3, "weightDecay": 0.1},
    ),
    "rmsprop": (
        lambda: optimizers.RMSprop(0.1, 0.8, 1e-2, 0.3, l2=0.1),
        "rmsprop",
        {
            "learningRate": 0.1,
            "alpha": 0.8,
            "epsilon": 1e-2,
            "initialMean": 0.3,
            "weightDecay": 0.1,
        },
    ),
    "rprop": (
        lambda: optimizers.Rprop(0.05, largest=0.08, smallest=0.04),
        "rprop",
        {"stepsize": 0.05, "stepsizemax": 0.08, "stepsizemin": 0.04},
    ),
    "asgd": (
        lambda: optimizers.ASGD(0.1, 0.3, 0.5, 2),
        "asgd",
        {"eta0": 0.1, "lambda": 0.3, "alpha": 0.5, "t0": 2},
    ),
}


BLIND_TO_SIZE = ("adamax", "rprop")  # nearly, or altogether


def batches(steps: int = 6) -> list[tuple[np.ndarray, np.ndarray]]:
    """(ids, values of each occurrence) of sparse gradients; ids repeat, and rows stay away."""
    rng = np.random.default_rng(5)
    return [(rng.integers(0, 8, 9), rng.normal(size=(9, WIDTH))) for _ in range(steps)]


def dense(ids: np.ndarray, values: np.ndarray) -> np.ndarray:
    table = np.zeros((ROWS, WIDTH), values.dtype)
    np.add.at(table, ids, values)
    return table


def start(dtype: str = "float64") -> keras.Variable:
    return keras.Variable(np.random.default_rng(1).normal(size=(ROWS, WIDTH)), dtype=dtype)


def run(optimizer: optimizers.Optimizer, sparse: bool, dtype: str = "float64") -> np.ndarray:
    table = start(dtype)
    optimizer.build([table])

    @tf.function(reduce_retracing=True)
    def once(ids: tf.Tensor, values: tf.Tensor) -> None:
        optimizer.prepare([table])
        slices = tf.IndexedSlices(values, ids, tf.constant([ROWS, WIDTH], tf.int64))
        full = tf.math.unsorted_segment_sum(values, ids, ROWS)
        optimizer.apply([slices if sparse else full])

    for ids, values in batches():
        once(tf.constant(ids), tf.constant(values, dtype))
    return table.numpy()


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_rule_is_torchs(name: str, sparse: bool) -> None:
    make, method, config = RULES[name]
    x, state = start().numpy().ravel(), {}
    for ids, values in batches():
        grad = dense(ids, values).ravel()
        step(method, lambda _, grad=grad: (0.0, grad.copy()), x, config, state)
    np.testing.assert_allclose(run(make(), sparse).ravel(), x, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_elements_without_gradient_stay_numbers(name: str, dtype: str) -> None:
    """Torch's divisors are never 0; the smallest of them is, in single precision, in TensorFlow."""
    make, method, config = RULES[name]
    table, optimizer = start(dtype), make()
    optimizer.build([table])
    x, state = table.numpy().ravel(), {}
    for row in (0, 0, 3):
        grad = np.zeros((ROWS, WIDTH), dtype)
        grad[row] = 1.5
        optimizer.prepare([table])
        optimizer.apply([tf.constant(grad)])
        step(method, lambda _, g=grad: (0.0, g.ravel().copy()), x, config, state)
    np.testing.assert_allclose(table.numpy().ravel(), x, 64 * np.finfo(dtype).eps, 1e-6)


@pytest.mark.parametrize("clip", ["clipnorm", "clipvalue", "global_clipnorm"])
@pytest.mark.parametrize("name", RULES)
def test_clipping_sees_merged_rows(name: str, clip: str) -> None:
    def clipped() -> optimizers.Optimizer:
        config = RULES[name][0]().get_config()
        return type(RULES[name][0]()).from_config(config | {clip: 0.5})

    np.testing.assert_allclose(run(clipped(), True), run(clipped(), False), rtol=1e-13)
    if not name.startswith(BLIND_TO_SIZE):
        assert not np.allclose(run(clipped(), True), run(RULES[name][0](), True))


@pytest.mark.parametrize("name", ["sgd", "adagrad"])
def test_rows_outside_the_batch_are_not_written(name: str) -> None:
    optimizer, table = RULES[name][0](), start("float32")
    optimizer.build([table])
    first = table.numpy()
    ids, values = batches(1)[0]
    optimizer.apply([tf.IndexedSlices(tf.constant(values, tf.float32), tf.constant(ids), None)])
    same = (table.numpy() == first).all(axis=1)
    assert set(np.flatnonzero(~same)) == set(ids)


@pytest.mark.parametrize("name", RULES)
def test_survives_serialization_in_midst(name: str, tmp_path) -> None:
    make = RULES[name][0]
    first = make()
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(first))
    assert type(copy) is type(first)
    assert copy.get_config() == first.get_config()
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    x, y = np.ones((3, 4), "float32"), np.zeros((3, 2), "float32")

    def train(model: keras.Model) -> None:
        variables = model.trainable_variables
        model.optimizer.prepare(variables)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x) - y) ** 2)
        model.optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)

    model.compile(optimizer=make(), loss="mse")
    train(model)
    train(model)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    train(model)
    train(again)
    for a, b in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_fit_and_schedules() -> None:
    schedule = keras.optimizers.schedules.InverseTimeDecay(0.1, 1, 0.5)
    results = []
    for optimizer in (optimizers.SGD(schedule), optimizers.SGD(0.1, learning_rate_decay=0.5)):
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(optimizer=optimizer, loss="mse")
        model.fit(np.ones((8, 2)), np.zeros((8, 1)), epochs=3, batch_size=4, verbose=0)
        results.append(model.get_weights()[0])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


def test_assigned_rate_counts() -> None:
    table = keras.Variable(np.zeros(2, "float32"))
    optimizer = optimizers.SGD(0.1)
    optimizer.build([table])
    optimizer.learning_rate = 0.5
    optimizer.apply([tf.ones(2)])
    np.testing.assert_array_equal(table.numpy(), [-0.5, -0.5])
    assert optimizer.get_config()["learning_rate"] == 0.5


def test_element_rates_and_decays() -> None:
    table = start()
    optimizer = optimizers.SGD(0.1, element_rates=True, element_l2=True)
    optimizer.build([table])
    rates, decays = np.random.default_rng(2).random((2, ROWS, WIDTH))
    optimizer.state["rates"][0].assign(rates)
    optimizer.state["decays"][0].assign(decays)
    x, grad = table.numpy().ravel(), np.ones((ROWS, WIDTH))
    config = {"learningRate": 0.1, "learningRates": rates.ravel(), "weightDecays": decays.ravel()}
    step("sgd", lambda _: (0.0, grad.ravel().copy()), x, config, {})
    optimizer.apply([tf.constant(grad)])
    np.testing.assert_allclose(table.numpy().ravel(), x, rtol=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optimizers.SGD(0.1, nesterov=True), "nesterov needs"),
        (lambda: optimizers.SGD(0.1, l2=1, element_l2=True), "not both"),
        (lambda: optimizers.NAG(momentum=0), "positive"),
        (lambda: optimizers.Adam(weight_decay=0.1), "l2 is Torch's"),
    ],
)
def test_bad_options(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_nag_refuses_a_step_that_was_not_prepared() -> None:
    table = start()
    optimizer = optimizers.NAG()
    optimizer.build([table])
    with pytest.raises(tf.errors.InvalidArgumentError, match="prepare"):
        optimizer.apply([tf.zeros((ROWS, WIDTH), tf.float64)])
