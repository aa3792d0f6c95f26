"""LBFGS and CG against the oracle's, on a valley and on a quadratic."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbird_v2.optimizers import CG, LBFGS, StrongWolfe, minimize
from verify.oracle.optim import step


def valley(x: np.ndarray) -> tuple[float, np.ndarray]:
    a, b = x[:-1], x[1:]
    grad = np.zeros_like(x)
    grad[:-1] = -400 * a * (b - a * a) - 2 * (1 - a)
    grad[1:] += 200 * (b - a * a)
    return float((100 * (b - a * a) ** 2 + (1 - a) ** 2).sum()), grad


def bowl(x: np.ndarray) -> tuple[float, np.ndarray]:
    scale = np.arange(1, x.size + 1)
    return float((scale * x * x).sum() / 2), scale * x


def cliff(x: np.ndarray) -> tuple[float, np.ndarray]:
    """Steep, then flat: the first trials go far too far, and searches extrapolate."""
    return float(np.log1p(x * x).sum()), 2 * x / (1 + x * x)


METHODS = {
    "lbfgs": (lambda: LBFGS(0.01, max_iter=7), "lbfgs", {"learningRate": 0.01, "maxIter": 7}),
    "lbfgs_short": (
        lambda: LBFGS(0.1, max_iter=9, n_correction=2, max_eval=5),
        "lbfgs",
        {"learningRate": 0.1, "maxIter": 9, "nCorrection": 2, "maxEval": 5},
    ),
    "lbfgs_search": (
        lambda: LBFGS(max_iter=12, line_search=StrongWolfe()),
        "lbfgs",
        {"maxIter": 12, "lineSearch": "optim.lswolfe"},
    ),
    "lbfgs_strict_search": (
        lambda: LBFGS(max_iter=8, line_search=StrongWolfe(1e-3, 0.1, max_iter=15)),
        "lbfgs",
        {
            "maxIter": 8,
            "lineSearch": "optim.lswolfe",
            "lineSearchOptions": {"c1": 1e-3, "c2": 0.1, "maxIter": 15},
        },
    ),
    "cg": (lambda: CG(max_iter=6, max_eval=25), "cg", {"maxIter": 6, "maxEval": 25}),
    "cg_options": (
        lambda: CG(4, rho=0.1, sig=0.2, interpolate=0.2, extrapolate=2.0, ratio=10.0),
        "cg",
        {"maxIter": 4, "rho": 0.1, "sig": 0.2, "int": 0.2, "ext": 2.0, "ratio": 10},
    ),
}


@pytest.mark.parametrize("function", [valley, bowl, cliff])
@pytest.mark.parametrize("name", METHODS)
def test_calls_in_a_row_are_torchs(name: str, function) -> None:
    make, method, config = METHODS[name]
    ours, theirs = np.linspace(-1.3, 1.1, 5), np.linspace(-1.3, 1.1, 5)
    minimizer, state = make(), {}
    for _ in range(4):
        expected = step(method, function, theirs, config, state)
        np.testing.assert_allclose(minimizer.minimize(function, ours), expected, rtol=1e-9)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "method", [LBFGS(max_iter=40, line_search=StrongWolfe()), CG(max_iter=60, max_eval=400)]
)
def test_finds_the_lowest_point(method) -> None:
    x = np.array([-1.2, 1.0])
    losses = method.minimize(valley, x)
    assert losses[0] == valley(np.array([-1.2, 1.0]))[0]
    np.testing.assert_allclose(x, 1, atol=1e-4)


def test_minimizes_over_variables() -> None:
    a = keras.Variable(np.array([[3.0, -2.0]]), dtype="float64")
    b = keras.Variable(np.array(4.0), dtype="float64")

    def loss_and_gradients() -> tuple[tf.Tensor, list[tf.Tensor]]:
        loss = tf.reduce_sum((a - 1.0) ** 2) + b.value**2
        return loss, [2 * (a.value - 1.0), 2 * b.value]

    losses = minimize(LBFGS(), loss_and_gradients, [a, b])
    assert losses[0] == 29
    np.testing.assert_allclose(a.numpy(), 1, atol=1e-3)
    np.testing.assert_allclose(b.numpy(), 0, atol=1e-3)
