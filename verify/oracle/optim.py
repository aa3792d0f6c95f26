"""Torch's ``optim`` functions on flat vectors, in the vector's own arithmetic.

Every function is ``(opfunc, x, config, state) -> losses``: ``opfunc(x)`` gives (loss, gradient) and
may be asked several times, ``x`` changes in place, ``state`` is Torch's table under Torch's names,
and losses are what Torch returns beside ``x``. Options that a method does not know are ignored, as
Torch does. :data:`METHODS` has them by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from verify.oracle.base import Array, OracleError
from verify.oracle.conjugate import cg
from verify.oracle.lbfgs import lbfgs

__all__ = ["METHODS", "OpFunc", "step"]

OpFunc: TypeAlias = Callable[[Array], tuple[float, Array]]
Config: TypeAlias = Mapping[str, Any]
State: TypeAlias = dict[str, Any]
Method: TypeAlias = Callable[[OpFunc, Array, Config, State], list[float]]


def step(name: str, opfunc: OpFunc, x: Array, config: Config, state: State) -> list[float]:
    """One call of ``optim.<name>``.

    Raises:
        OracleError: Torch has no such method, or refuses the options.
    """
    if name not in METHODS:
        raise OracleError(f"optim.{name} is not known; there are {', '.join(sorted(METHODS))}")
    return METHODS[name](opfunc, x, config, state)


def _decayed(config: Config, x: Array, grad: Array) -> Array:
    """The gradient with weight decay in it."""
    decay = config.get("weightDecay") or 0
    return grad + float(decay) * x if decay else grad


def _rate(config: Config, steps: float, default: float) -> float:
    """The learning rate after so many steps."""
    decay = float(config.get("learningRateDecay") or 0)
    return float(config.get("learningRate", default)) / (1 + steps * decay)


def sgd(opfunc: OpFunc, x: Array, config: Config, state: State) -> list[float]:
    """``optim.sgd``: momentum (its first step undamped), Nesterov, decay, rates an element.

    ``weightDecays``, one an element, count only where there is no ``weightDecay``.
    """
    momentum = float(config.get("momentum") or 0)
    dampening = float(config.get("dampening", momentum))
    nesterov = bool(config.get("nesterov", False))
    decay, decays = config.get("weightDecay") or 0, config.get("weightDecays")
    if nesterov and (momentum <= 0 or dampening != 0):
        raise OracleError("optim.sgd: nesterov needs a momentum, and a dampening of 0")
    steps = state.setdefault("evalCounter", 0)
    loss, grad = opfunc(x)
    if decays is not None and not decay:
        grad = grad + np.asarray(decays, x.dtype) * x
    grad = _decayed(config, x, grad)
    if momentum:
        if "dfdx" in state:
            state["dfdx"] = state["dfdx"] * momentum + (1 - dampening) * grad
        else:
            state["dfdx"] = grad.copy()
        grad = grad + momentum * state["dfdx"] if nesterov else state["dfdx"]
    rate = _rate(config, steps, 1e-3)
    if config.get("learningRates") is not None:
        grad = np.asarray(config["learningRates"], x.dtype) * grad
    x += -rate * grad
    state["evalCounter"] = steps + 1
    return [loss]


def adagrad(opfunc: OpFunc, x: Array, config: Config, state: State) -> list[float]:
    """``optim.adagrad``."""
    steps = state.setdefault("evalCounter", 0)
    loss, grad = opfunc(x)
    grad = _decayed(config, x, grad)
    rate = _rate(config, steps, 1e-3)
    state["paramVariance"] = state.get("paramVariance", np.zeros_like(x)) + grad * grad
    x += -rate * grad / (np.sqrt(state["paramVariance"]) + 1e-10)
    state["evalCounter"] = steps + 1
    return [loss]


def adam(opfunc: OpFunc, x: Array, config: Config, state: State) -> list[float]:
    """``optim.adam``: epsilon goes to the root before the bias correction."""
    beta1, beta2 = float(config.get("beta1", 0.9)), float(config.get("beta2", 0.999))
    loss, grad = opfunc(x)
    grad = _decayed(config, x, grad)
    rate = _rate(config, state.get("t", 0), 1e-3)
    t = state["t"] = state.get("t", 0) + 1
    state["m"] = state.get("m", np.zeros_like(x)) * beta1 + (1 - beta1) * grad
    state["v"] = state.get("v", np.zeros_like(x)) * beta2 + (1 - beta2) * grad * grad
    size = rate * math.sqrt(1 - beta2**t) / (1 - beta1**t)
    x += -size * state["m"] / (np.sqrt(state["v"]) + float(config.get("epsilon", 1e-8)))
    return [loss]


def adamax(opfunc: OpFunc, x: Array, config: Config, state: State) -> list[float]:
    """``optim.adamax``; its learning rate does not decay."""
    beta1, beta2 = float(config.get("beta1", 0.9)), float(config.get("beta2", 0.999))
    loss, grad = opfunc(x)
    grad = _decayed(config, x, grad)
    t = state["t"] = state.get("t", 0) + 1
    state["m"] = state.get("m", np.zeros_like(x)) * beta1 + (1 - beta1) * grad
    before = np.reshape(state.get("u", np.zeros_like(x)), x.shape)
    state["u"] = np.maximum(before * beta2, np.abs(grad) + float(config.get("epsilon", 1e-38)))
    size = float(config.get("learningRate", 2e-3)) / (1 - beta1**t)
    x += -size * state["m"] / state["u"]
    return [loss]


def adadelta(opfunc: OpFunc, x: Array, config: Config, state: State) -> list[float]:
    """``optim.adadelta``; it has no learning rate."""
    rho, eps = float(config.get("rho", 0.9)), float(config.get("eps", 1e-6))
    steps = state.setdefault("evalCounter", 0)
    loss, grad = opfunc(x)
    grad = _decayed(config, x, grad)
    squares = state.get("paramVariance", np.zeros_like(x)) * rho + (1 - rho) * grad * grad
    moved = state.get("accDelta", np.zeros_like(x))
    delta = np.sqrt(moved + eps) / np.sqrt(squares + eps) * grad
    x += -delta
    state |= {"paramVariance": squares, "accDelta": moved * rho + (1 - rho) * delta * delta}
    state["evalCounter"] = steps + 1
    return [loss]


def rmsprop(opfunc: OpFunc, x: Array, config: Config, state: State) -> list[float]:
    """``optim.rmsprop``; its learning rate does not decay."""
    alpha = float(config.get("alpha", 0.99))
    loss, grad = opfunc(x)
    grad = _decayed(config, x, grad)
    before = state.get("m", np.full_like(x, float(config.get("initialMean", 0))))
    state["m"] = before * alpha + (1 - alpha) * grad * grad
    rate = float(config.get("learningRate", 1e-2))
    x += -rate * grad / (np.sqrt(state["m"]) + float(config.get("epsilon", 1e-8)))
    return [loss]


def rprop(opfunc: OpFunc, x: Array, config: Config, state: State) -> list[float]:
    """``optim.rprop``: an element whose gradient changes sign rests for a step."""
    up, down = float(config.get("etaplus", 1.2)), float(config.get("etaminus", 0.5))
    longest = float(config.get("stepsizemax", 50.0))
    shortest = float(config.get("stepsizemin", 1e-6))
    losses = []
    for _ in range(int(config.get("niter", 1))):
        loss, grad = opfunc(x)
        if "delta" not in state:  # where options and state are one table, the size becomes a vector
            first = float(config.get("stepsize", 0.1))
            state |= {"delta": np.zeros_like(x), "stepsize": np.full_like(x, first)}
        turn = _sign(state["delta"] * grad)
        factor = np.where(turn > 0, x.dtype.type(up), np.where(turn < 0, x.dtype.type(down), 1))
        size = state["stepsize"] * factor.astype(x.dtype)
        size = np.where(size > longest, x.dtype.type(longest), size)
        size = np.where(size < shortest, x.dtype.type(shortest), size)
        grad = np.where(turn < 0, x.dtype.type(0), grad)
        sign = _sign(grad)
        x += -sign * size
        state |= {"delta": grad, "stepsize": size, "sign": sign}
        losses.append(loss)
    return losses


def _sign(x: Array) -> Array:
    """-1, 0 or 1; Torch's sign of NaN is 0."""
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


def nag(opfunc: OpFunc, x: Array, config: Config, state: State) -> list[float]:
    """``optim.nag``: moves by the momentum, and only then asks for the gradient."""
    momentum = float(config.get("momentum", 0.9))
    if momentum <= 0:
        raise OracleError("optim.nag: the momentum must be positive")
    steps = state.setdefault("evalCounter", 0)
    if "dfdx" in state:
        x += momentum * state["dfdx"]
    loss, grad = opfunc(x)
    grad = _decayed(config, x, grad)
    rate = _rate(config, steps, 1e-3)
    if config.get("learningRates") is not None:
        grad = np.asarray(config["learningRates"], x.dtype) * grad
    x += -rate * grad
    state["dfdx"] = state.get("dfdx", np.zeros_like(x)) * momentum + -rate * grad
    state["evalCounter"] = steps + 1
    return [loss]


def asgd(opfunc: OpFunc, x: Array, config: Config, state: State) -> list[float]:
    """``optim.asgd``; the average of the vectors so far is ``state.ax``."""
    eta0, decay = float(config.get("eta0", 1e-4)), float(config.get("lambda", 1e-4))
    power, t0 = float(config.get("alpha", 0.75)), float(config.get("t0", 1e6))
    eta, mu = state.get("eta_t", eta0), state.get("mu_t", 1.0)
    loss, grad = opfunc(x)
    x *= 1 - decay * eta
    x += -eta * grad
    average = state.get("ax", np.zeros_like(x))
    state["ax"] = average + (x - average) * mu if mu != 1 else x.copy()
    t = state["t"] = state.get("t", 0) + 1
    state["eta_t"] = eta0 / (1 + decay * eta0 * t) ** power
    state["mu_t"] = 1 / max(1.0, t - t0)
    return [loss]


METHODS: Mapping[str, Method] = {
    method.__name__: method
    for method in (
        sgd,
        adagrad,
        adam,
        adamax,
        adadelta,
        rmsprop,
        rprop,
        nag,
        asgd,
        lbfgs,
        cg,
    )
}
