"""Options of ``optim`` that no recorded run has, by hand: in the oracle, and in Keras.

Each method is written out once more here, one vector operation a line as Torch does it in place,
in the vector's own type. The oracle must give the same bits, and the Keras optimizer that the
options make must stay within a few roundings.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbird_v2.optimizers import LBFGS, StrongWolfe
from migrate.optim import load_state, make_optimizer, save_state
from verify.oracle.base import OracleError
from verify.oracle.optim import step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SIZE, STEPS = 6, 5
RATES = np.linspace(0.0, 2.0, SIZE)
DECAYS = np.linspace(0.3, -0.1, SIZE)

Rule = "Callable[..., Iterator[np.ndarray]]"


def gradient(x: np.ndarray) -> np.ndarray:
    """Of a bowl and a wave; the last element never has one."""
    slope = 3 * x + np.sin(7 * x)
    slope[-1] = 0
    return slope.astype(x.dtype)


def start(dtype: Any) -> np.ndarray:
    return np.linspace(-1.0, 1.5, SIZE).astype(dtype)


# --- Torch's methods, line by line: x after each call --------------------------------------------


def sgd(
    x: np.ndarray,
    lr: float = 1e-3,
    lrd: float = 0.0,
    wd: float = 0.0,
    mom: float = 0.0,
    damp: float | None = None,
    nesterov: bool = False,
    lrs: np.ndarray | None = None,
    wds: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    damp, kept, t = mom if damp is None else damp, None, 0
    while True:
        g = gradient(x)
        if wd:
            g += wd * x
        elif wds is not None:
            own = wds.astype(x.dtype)
            own *= x
            g += own
        if mom:
            if kept is None:
                kept = g.copy()
            else:
                kept *= mom
                kept += (1 - damp) * g
            if nesterov:
                g += mom * kept
            else:
                g = kept
        if lrs is not None:
            delta = lrs.astype(x.dtype)
            delta *= g
            g = delta
        x += -(lr / (1 + t * lrd)) * g
        t += 1
        yield x


def nag(
    x: np.ndarray,
    lr: float = 1e-3,
    lrd: float = 0.0,
    wd: float = 0.0,
    mom: float = 0.9,
    lrs: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    kept, t = np.zeros_like(x), 0
    while True:
        x += mom * kept
        g = gradient(x)
        g += wd * x
        if lrs is not None:
            delta = lrs.astype(x.dtype)
            delta *= g
            g = delta
        kept *= mom
        x += -(lr / (1 + t * lrd)) * g
        kept += -(lr / (1 + t * lrd)) * g
        t += 1
        yield x


def adagrad(
    x: np.ndarray, lr: float = 1e-3, lrd: float = 0.0, wd: float = 0.0
) -> Iterator[np.ndarray]:
    variance, t = np.zeros_like(x), 0
    while True:
        g = gradient(x)
        g += wd * x
        variance += g * g
        std = np.sqrt(variance)
        std += 1e-10
        x += -(lr / (1 + t * lrd)) * g / std
        t += 1
        yield x


def adam(
    x: np.ndarray,
    lr: float = 1e-3,
    lrd: float = 0.0,
    wd: float = 0.0,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> Iterator[np.ndarray]:
    m, v, t = np.zeros_like(x), np.zeros_like(x), 0
    while True:
        g = gradient(x)
        g += wd * x
        clr = lr / (1 + t * lrd)
        t += 1
        m *= b1
        m += (1 - b1) * g
        v *= b2
        v += (1 - b2) * g * g
        denominator = np.sqrt(v)
        denominator += eps
        x += -(clr * (1 - b2**t) ** 0.5 / (1 - b1**t)) * m / denominator
        yield x


def adamax(
    x: np.ndarray,
    lr: float = 2e-3,
    wd: float = 0.0,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-38,
) -> Iterator[np.ndarray]:
    m, u, t = np.zeros_like(x), np.zeros_like(x), 0
    while True:
        g = gradient(x)
        g += wd * x
        t += 1
        m *= b1
        m += (1 - b1) * g
        pair = np.stack([u, np.abs(g)])
        pair[0] *= b2
        pair[1] += eps
        u = pair.max(axis=0)
        x += -(lr / (1 - b1**t)) * m / u
        yield x


def adadelta(
    x: np.ndarray, rho: float = 0.9, eps: float = 1e-6, wd: float = 0.0
) -> Iterator[np.ndarray]:
    variance, moved = np.zeros_like(x), np.zeros_like(x)
    while True:
        g = gradient(x)
        g += wd * x
        variance *= rho
        variance += (1 - rho) * g * g
        std = np.sqrt(variance + eps)
        delta = np.sqrt(moved + eps)
        delta /= std
        delta *= g
        x += -1 * delta
        moved *= rho
        moved += (1 - rho) * delta * delta
        yield x


def rmsprop(
    x: np.ndarray,
    lr: float = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    mean: float = 0.0,
    wd: float = 0.0,
) -> Iterator[np.ndarray]:
    m = np.full_like(x, mean)
    while True:
        g = gradient(x)
        g += wd * x
        m *= alpha
        m += (1 - alpha) * g * g
        root = np.sqrt(m)
        root += eps
        x += -lr * g / root
        yield x


def rprop(
    x: np.ndarray,
    size: float = 0.1,
    up: float = 1.2,
    down: float = 0.5,
    longest: float = 50.0,
    shortest: float = 1e-6,
    niter: int = 1,
) -> Iterator[np.ndarray]:
    before, sizes = np.zeros_like(x), np.full_like(x, size)
    while True:
        for _ in range(niter):
            g = gradient(x)
            for i in range(x.size):
                if g[i] * before[i] > 0:
                    sizes[i] *= x.dtype.type(up)
                elif g[i] * before[i] < 0:
                    sizes[i] *= x.dtype.type(down)
                if sizes[i] > x.dtype.type(longest):
                    sizes[i] = longest
                if sizes[i] < x.dtype.type(shortest):
                    sizes[i] = shortest
                if g[i] * before[i] < 0:
                    g[i] = 0
                x[i] -= np.sign(g[i]) * sizes[i]
            before = g
        yield x


def asgd(
    x: np.ndarray,
    eta0: float = 1e-4,
    decay: float = 1e-4,
    alpha: float = 0.75,
) -> Iterator[np.ndarray]:
    eta, t = eta0, 0
    while True:
        g = gradient(x)
        x *= 1 - decay * eta
        x += -eta * g
        t += 1
        eta = eta0 / (1 + decay * eta0 * t) ** alpha
        yield x


# method, Torch's options, the same by hand
CASES: list[tuple[str, dict[str, Any], Callable[..., Iterator[np.ndarray]], dict[str, Any]]] = [
    ("sgd", {"momentum": 0.9}, sgd, {"mom": 0.9}),
    (
        "sgd",
        {"learningRate": 0.1, "momentum": 0.8, "dampening": 0.3, "learningRateDecay": 0.5},
        sgd,
        {"lr": 0.1, "mom": 0.8, "damp": 0.3, "lrd": 0.5},
    ),
    (
        "sgd",
        {"learningRate": 0.1, "momentum": 0.8, "dampening": 1},
        sgd,
        {"lr": 0.1, "mom": 0.8, "damp": 1},
    ),
    (
        "sgd",
        {
            "learningRate": 0.05,
            "momentum": 0.7,
            "dampening": 0,
            "nesterov": True,
            "weightDecay": 0.2,
            "learningRateDecay": 0.1,
        },
        sgd,
        {"lr": 0.05, "mom": 0.7, "damp": 0, "nesterov": True, "wd": 0.2, "lrd": 0.1},
    ),
    (
        "sgd",
        {"learningRate": 0.1, "momentum": 0.5, "learningRates": RATES, "weightDecays": DECAYS},
        sgd,
        {"lr": 0.1, "mom": 0.5, "lrs": RATES, "wds": DECAYS},
    ),
    (
        "sgd",  # the single decay wins
        {"learningRate": 0.1, "weightDecay": 0.3, "weightDecays": DECAYS},
        sgd,
        {"lr": 0.1, "wd": 0.3},
    ),
    ("sgd", {"learningRate": 0.1, "learningrate": 9, "beta1": 0.5}, sgd, {"lr": 0.1}),
    ("nag", {}, nag, {}),
    (
        "nag",
        {
            "learningRate": 0.1,
            "momentum": 0.6,
            "dampening": 0.9,
            "nesterov": False,
            "weightDecay": 0.1,
            "learningRates": RATES,
        },
        nag,
        {"lr": 0.1, "mom": 0.6, "wd": 0.1, "lrs": RATES},
    ),
    (
        "adagrad",
        {"weightDecay": 0.5, "learningRateDecay": 2, "momentum": 0.9},
        adagrad,
        {"wd": 0.5, "lrd": 2},
    ),
    (
        "adam",
        {"learningRate": 0.2, "beta1": 0, "weightDecay": 0.1, "learningRateDecay": 1},
        adam,
        {"lr": 0.2, "b1": 0.0, "wd": 0.1, "lrd": 1},
    ),
    ("adam", {"epsilon": 0.1, "beta2": 0.5}, adam, {"eps": 0.1, "b2": 0.5}),
    ("adamax", {}, adamax, {}),
    (
        "adamax",
        {"weightDecay": 0.2, "epsilon": 0.5, "beta1": 0.3, "beta2": 0.1, "learningRateDecay": 5},
        adamax,
        {"wd": 0.2, "eps": 0.5, "b1": 0.3, "b2": 0.1},
    ),
    ("adadelta", {"rho": 0, "eps": 0.1, "learningRate": 7}, adadelta, {"rho": 0, "eps": 0.1}),
    ("adadelta", {"weightDecay": 0.4}, adadelta, {"wd": 0.4}),
    (
        "rmsprop",
        {"alpha": 0, "initialMean": 3, "weightDecay": 0.3, "learningRateDecay": 4},
        rmsprop,
        {"alpha": 0, "mean": 3, "wd": 0.3},
    ),
    ("rmsprop", {"initialMean": 1}, rmsprop, {"mean": 1}),
    ("rprop", {}, rprop, {}),
    (
        "rprop",
        {"niter": 3, "stepsize": 0.3, "stepsizemax": 0.35, "etaplus": 1.5, "etaminus": 0.1},
        rprop,
        {"niter": 3, "size": 0.3, "longest": 0.35, "up": 1.5, "down": 0.1},
    ),
    ("rprop", {"stepsizemin": 0.2}, rprop, {"shortest": 0.2}),
    ("rprop", {"stepsizemin": 0.4, "stepsizemax": 0.3}, rprop, {"shortest": 0.4, "longest": 0.3}),
    ("asgd", {}, asgd, {}),
    (
        "asgd",
        {"eta0": 0.3, "lambda": 0.2, "alpha": 1, "weightDecay": 3},
        asgd,
        {"eta0": 0.3, "decay": 0.2, "alpha": 1},
    ),
]


def names(value: Any) -> str | None:
    if callable(value):
        return ""
    return str(value) if isinstance(value, str) else "-".join(value) or "defaults"


def vector(variable: Any) -> SimpleNamespace:
    """One variable, as the mapping of options and states wants to see a model's."""
    return SimpleNamespace(
        variables=[variable],
        layout=SimpleNamespace(size=SIZE),
        to_keras=lambda flat: [np.asarray(flat)],
        to_torch=lambda arrays: np.asarray(arrays[0]),
    )


def call(optimizer: Any, variable: Any) -> None:
    """One step of Torch."""
    for _ in range(optimizer.evaluations):
        optimizer.prepare([variable])
        optimizer.apply([tf.constant(gradient(variable.numpy()))], [variable])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("method", "options", "rule", "own"), CASES, ids=names)
def test_options(
    method: str,
    options: dict[str, Any],
    rule: Callable[..., Iterator[np.ndarray]],
    own: dict[str, Any],
    dtype: str,
) -> None:
    x, state = start(dtype), {}
    variable = keras.Variable(start(dtype), dtype=dtype)
    optimizer = make_optimizer(method, options, vector(variable))
    tolerance = 64 * np.finfo(dtype).eps
    by_hand = rule(start(dtype), **own)
    for _ in range(STEPS):
        expected = next(by_hand)
        step(method, lambda v: (0.0, gradient(v)), x, options, state)
        np.testing.assert_array_equal(x, expected)
        call(optimizer, variable)
        np.testing.assert_allclose(variable.numpy(), expected, tolerance, tolerance)


@pytest.mark.parametrize("t0", [-3, 0, 2, 1e6])
def test_asgd_averages_from_t0_on(t0: float) -> None:
    """The first step's weight is 1 whatever t0 is; then 1 / max(1, t - t0)."""
    options = {"eta0": 0.1, "lambda": 0.1, "t0": t0}
    x, state, mean = start("float64"), {}, np.zeros(SIZE)
    variable = keras.Variable(start("float64"), dtype="float64")
    optimizer = make_optimizer("asgd", options, vector(variable))
    for t in range(STEPS):
        step("asgd", lambda v: (0.0, gradient(v)), x, options, state)
        call(optimizer, variable)
        weight = 1 / max(1, t - t0) if t else 1
        mean += weight * (x - mean)
        np.testing.assert_allclose(state["ax"], mean, 1e-13)
        np.testing.assert_allclose(optimizer.state["average"][0].numpy(), mean, 1e-13)


@pytest.mark.parametrize(("method", "options"), [(m, o) for m, o, _, _ in CASES], ids=names)
def test_options_and_state_in_one_table(method: str, options: dict[str, Any]) -> None:
    """``optim.sgd(feval, x, state)``, with the options in the state; v2 then goes on from it."""
    alone, apart = dict(options), {}
    one, two = start("float64"), start("float64")
    for _ in range(3):
        step(method, lambda v: (0.0, gradient(v)), one, alone, alone)
        step(method, lambda v: (0.0, gradient(v)), two, options, apart)
        np.testing.assert_array_equal(one, two)
    variable = keras.Variable(one, dtype="float64")
    optimizer = make_optimizer(method, alone, vector(variable))
    load_state(method, optimizer, alone, vector(variable))
    call(optimizer, variable)
    step(method, lambda v: (0.0, gradient(v)), one, alone, alone)
    np.testing.assert_allclose(variable.numpy(), one, 1e-13, 1e-15)


@pytest.mark.parametrize(("method", "options"), [(m, o) for m, o, _, _ in CASES], ids=names)
def test_torch_goes_on_from_what_v2_saves(method: str, options: dict[str, Any]) -> None:
    variable = keras.Variable(start("float64"), dtype="float64")
    optimizer = make_optimizer(method, options, vector(variable))
    for _ in range(3):
        call(optimizer, variable)
    x = variable.numpy().copy()
    state = save_state(method, optimizer, vector(variable))
    for _ in range(2):
        step(method, lambda v: (0.0, gradient(v)), x, options, state)
        call(optimizer, variable)
    np.testing.assert_allclose(variable.numpy(), x, 1e-13, 1e-15)
    if method == "asgd":
        np.testing.assert_allclose(optimizer.state["average"][0].numpy(), state["ax"], 1e-13)


def test_rprop_rests_where_the_gradient_is_no_number() -> None:
    """Torch's sign of NaN is 0: the element stays, now and in the next step's comparison."""
    x, state = np.ones(2), {}
    variable = keras.Variable(np.ones(2), dtype="float64")
    optimizer = make_optimizer("rprop", {}, vector(variable))
    for grad in ([np.nan, 1.0], [1.0, 1.0]):
        step("rprop", lambda _, grad=grad: (0.0, np.array(grad)), x, {}, state)
        optimizer.apply([tf.constant(grad, tf.float64)], [variable])
    np.testing.assert_allclose(x, [0.9, 1 - 0.1 - 0.12], 1e-14)
    np.testing.assert_allclose(variable.numpy(), x, 1e-14)


# --- minimizers ----------------------------------------------------------------------------------


def recorded(scale: float, seen: list[float]) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """scale x² / 2, noting where it is asked."""

    def function(x: np.ndarray) -> tuple[float, np.ndarray]:
        seen.append(float(x[0]))
        return float(scale * x[0] ** 2 / 2), scale * x

    return function


@pytest.mark.parametrize(
    ("options", "asked", "counted"),
    [
        # a first step of min(1, 1/|g|) times the rate, and none to look at what it gave
        ({"maxIter": 1, "learningRate": 0.5}, [1.0], 1),
        ({"maxIter": 2, "learningRate": 0.5}, [1.0, 0.5], 2),
        ({"maxIter": 9, "maxEval": 1, "learningRate": 0.5}, [1.0, 0.5], 2),
        ({"maxIter": 9, "tolX": 0.6, "learningRate": 0.5}, [1.0, 0.5], 2),
        ({"maxIter": 9, "tolFun": 2.0}, [1.0, 0.0], 2),
        ({"maxIter": 9, "tolFun": 4.0}, [1.0], 1),
    ],
)
def test_lbfgs_ends(options: Mapping[str, Any], asked: list[float], counted: int) -> None:
    options = dict(options)
    ours: list[float] = []
    theirs: list[float] = []
    x, state = np.ones(1), {}
    losses = step("lbfgs", recorded(4.0 if "tolFun" in options else 1.0, theirs), x, options, state)
    scale = 4.0 if "tolFun" in options else 1.0
    variable = keras.Variable(np.ones(1), dtype="float64")
    minimizer = make_optimizer("lbfgs", options, vector(variable))
    y = np.ones(1)
    assert minimizer.minimize(recorded(scale, ours), y) == losses
    np.testing.assert_array_equal(x, y)
    if "tolFun" not in options or options["tolFun"] == 4.0:
        assert theirs == asked
    assert ours == theirs
    assert state["funcEval"] == minimizer.evaluations == len(losses) == counted


def test_the_first_search_of_a_call_has_lost_the_gradient_at_its_start() -> None:
    """A model gives the same buffer at every evaluation, and Torch copies it one too late.

    On 9 x² from 1 the first trial goes 3 too far, to -2. With the slope at the start, -324, the
    cubic would be lowest at 0; with the trial's in its place, 648, it is lowest at -1.
    """
    seen: list[float] = []
    options = {"maxIter": 1, "learningRate": 3.0, "lineSearch": "optim.lswolfe"}
    losses = step("lbfgs", recorded(18.0, seen), np.ones(1), options, {})
    np.testing.assert_allclose(seen[:3], [1, -2, -1], atol=1e-12)
    ours: list[float] = []
    minimizer = LBFGS(3.0, max_iter=1, line_search=StrongWolfe())
    assert minimizer.minimize(recorded(18.0, ours), np.ones(1)) == losses
    assert ours == seen


@pytest.mark.parametrize("rate", [4.0, 1e30])
def test_searches_survive_brackets_without_a_minimum(rate: float) -> None:
    """Equal slopes at both ends divide zero by zero; far trials overflow."""
    options = {"maxIter": 2, "learningRate": rate, "lineSearch": "optim.lswolfe"}
    seen: list[float] = []
    ours: list[float] = []
    losses = step("lbfgs", recorded(18.0, seen), np.ones(1), options, {})
    minimizer = LBFGS(rate, max_iter=2, line_search=StrongWolfe())
    assert minimizer.minimize(recorded(18.0, ours), np.ones(1)) == losses
    assert ours == seen
    assert losses[-1] <= losses[0]


@pytest.mark.parametrize("options", [{"nesterov": True}, {"nesterov": True, "momentum": 0.9}])
def test_nesterov_wants_momentum_without_dampening(options: dict[str, Any]) -> None:
    """The dampening is the momentum's, unless it is given."""
    with pytest.raises(OracleError, match="dampening of 0"):
        step("sgd", lambda v: (0.0, v), np.ones(1), options, {})
