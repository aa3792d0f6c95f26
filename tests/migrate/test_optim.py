"""Methods and state tables of v1's ``optim`` in Keras optimizers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import migrate
from migrate.optim import METHODS, OptimError, ignored, load_state, make_optimizer, save_state
from migrate.trainable import Trainable
from migrate.weights import WeightError
from verify.engines.training import V2Training
from verify.traces import load_traces
from verify.training import oracle_training

TRAINING = Path(__file__).parents[2] / "golden" / "training"
# One run of every method, with options where there is a choice.
RUNS = {
    "sgd": "sgd_momentum_dampening_wd_decay",
    "nag": "nag_params",
    "adagrad": "adagrad_wd_decay",
    "adam": "adam_params",
    "adamax": "adamax_params",
    "adadelta": "adadelta_params",
    "rmsprop": "rmsprop_params",
    "rprop": "rprop_params",
    "asgd": "asgd",
    "lbfgs": "lbfgs",
    "cg": "cg",
}


@pytest.mark.parametrize("method", METHODS)
def test_continues_a_v1_run(method: str) -> None:
    trace = load_traces(TRAINING / RUNS[method])[0]
    oracle, v2 = oracle_training(trace), V2Training(trace)
    half = 2 if method in ("lbfgs", "cg") else 10
    for t in range(1, half + 1):
        oracle.step(*trace.batch(t))
    for variable, value in zip(
        v2.trainable.variables, v2.trainable.to_keras(oracle.x), strict=True
    ):
        variable.assign(value)
    load_state(v2.method, v2.optimizer, oracle.state, v2.trainable)
    saved = v2.state
    for name in saved:
        np.testing.assert_array_equal(np.ravel(saved[name]), np.ravel(oracle.state[name]), name)
    rtol = 1e-11 if oracle.x.dtype == np.float64 else 2e-6
    for t in range(half + 1, half + 4):
        ours, theirs = v2.step(*trace.batch(t)), oracle.step(*trace.batch(t))
        if method in ("lbfgs", "cg"):
            rtol = 1e-5
        np.testing.assert_allclose(ours, theirs, rtol)
        np.testing.assert_allclose(v2.x, oracle.x, rtol, rtol)


def trainable() -> Trainable:
    model = TRAINING / "sgd_plain" / "model_init.t7"
    return Trainable(migrate.convert(model, np.zeros((2, 8), "float32")))


def test_reads_what_torch_saved() -> None:
    trace = load_traces(TRAINING / "adam")[0]
    table = migrate.load_t7(TRAINING / "adam" / "optim_state_final.t7")
    final = dataclasses.replace(trace, module=trace.final)
    v2 = V2Training(final)
    load_state("adam", v2.optimizer, table, v2.trainable)
    state = save_state("adam", v2.optimizer, v2.trainable)
    assert state["t"] == 30
    for name in ("m", "v"):
        np.testing.assert_array_equal(state[name], table[name])
    np.testing.assert_array_equal(v2.x, trace.params[30])
    v2.step(*trace.batch(31))
    assert v2.state["t"] == 31


@pytest.mark.parametrize(
    ("method", "table", "error", "message"),
    [
        ("adam", {"t": 3.0, "m": np.zeros(5), "v": np.zeros(5)}, WeightError, "144 parameters"),
        ("adam", {"t": 3.0, "m": np.zeros(144)}, OptimError, "has 'm' but no 'v'"),
        ("adagrad", {"evalCounter": 7.0}, OptimError, "of step 7 but has no 'paramVariance'"),
        ("lbfgs", {"nIter": 3.0, "d": np.zeros(144)}, OptimError, "cannot continue"),
    ],
)
def test_bad_state(method: str, table: dict, error: type, message: str) -> None:
    parameters = trainable()
    optimizer = make_optimizer(method, {}, parameters)
    with pytest.raises(error, match=message):
        load_state(method, optimizer, table, parameters)


@pytest.mark.parametrize(
    ("method", "config", "message"),
    [
        ("adamw", {}, "there are adadelta"),
        ("sgd", {"nesterov": True}, "nesterov needs"),
        ("lbfgs", {"lineSearch": "optim.other"}, "lswolfe"),
    ],
)
def test_bad_methods(method: str, config: dict, message: str) -> None:
    with pytest.raises(OptimError, match=message):
        make_optimizer(method, config, trainable())


def test_options_that_torch_ignores_are_named() -> None:
    assert ignored("rmsprop", {"learningRateDecay": 0.1, "alpha": 0.9}) == ("learningRateDecay",)
    assert ignored("lbfgs", {"lineSearch": "optim.lswolfe", "verbose": True}) == ()


def test_momentum_may_begin_late() -> None:
    parameters = trainable()
    optimizer = make_optimizer("sgd", {"momentum": 0.9}, parameters)
    load_state("sgd", optimizer, {"evalCounter": 12.0}, parameters)
    assert int(optimizer.iterations.numpy()) == 12
    assert int(optimizer.started.numpy()) == 0
