"""The methods of Torch's ``optim``: which optimizer, which options, which fields of the state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deepbird_v2 import optimizers

__all__ = ["METHODS", "Method", "OptimError", "method_of"]


class OptimError(ValueError):
    """A method or a state table cannot be taken over; says which and why."""


@dataclass(frozen=True)
class Method:
    """One method of ``optim``.

    Attributes:
        make: the optimizer of keywords.
        options: Torch's option → keyword.
        slots: Torch's field of the state → slot of the optimizer.
        counter: Torch's field that counts steps; None where it does not count.
        vectors: Torch's option of one number a parameter → (keyword, slot).
    """

    make: Callable[..., Any]
    options: Mapping[str, str]
    slots: Mapping[str, str] = field(default_factory=dict)
    counter: str | None = None
    vectors: Mapping[str, tuple[str, str]] = field(default_factory=dict)


_RATE = {"learningRate": "learning_rate"}
_DECAYS = {"learningRateDecay": "learning_rate_decay", "weightDecay": "l2"}
_BETAS = {"beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon"}
_RATES = {"learningRates": ("element_rates", "rates")}

METHODS: Mapping[str, Method] = {
    "sgd": Method(
        optimizers.SGD,
        _RATE | _DECAYS | {n: n for n in ("momentum", "dampening", "nesterov")},
        {"dfdx": "momentum"},
        "evalCounter",
        _RATES | {"weightDecays": ("element_l2", "decays")},
    ),
    "nag": Method(
        optimizers.NAG,
        _RATE | _DECAYS | {"momentum": "momentum"},
        {"dfdx": "movement"},
        "evalCounter",
        _RATES,
    ),
    "adagrad": Method(
        optimizers.Adagrad, _RATE | _DECAYS, {"paramVariance": "squares"}, "evalCounter"
    ),
    "adam": Method(optimizers.Adam, _RATE | _DECAYS | _BETAS, {"m": "first", "v": "second"}, "t"),
    "adamax": Method(
        optimizers.Adamax,
        _RATE | _BETAS | {"weightDecay": "l2"},
        {"m": "first", "u": "largest"},
        "t",
    ),
    "adadelta": Method(
        optimizers.Adadelta,
        {"rho": "rho", "eps": "epsilon", "weightDecay": "l2"},
        {"paramVariance": "squares", "accDelta": "steps"},
        "evalCounter",
    ),
    "rmsprop": Method(
        optimizers.RMSprop,
        _RATE
        | {
            "alpha": "rho",
            "epsilon": "epsilon",
            "initialMean": "initial_mean",
            "weightDecay": "l2",
        },
        {"m": "mean"},
    ),
    "rprop": Method(
        optimizers.Rprop,
        {
            "stepsize": "step_size",
            "etaplus": "grow",
            "etaminus": "shrink",
            "stepsizemax": "largest",
            "stepsizemin": "smallest",
            "niter": "evaluations",
        },
        {"delta": "gradient", "stepsize": "size"},
    ),
    "asgd": Method(
        optimizers.ASGD,
        {
            "eta0": "learning_rate",
            "lambda": "decay",
            "alpha": "power",
            "t0": "start_averaging",
        },
        {"ax": "average"},
        "t",
    ),
    "lbfgs": Method(
        optimizers.LBFGS,
        _RATE
        | {
            "maxIter": "max_iter",
            "maxEval": "max_eval",
            "tolFun": "tol_fun",
            "tolX": "tol_x",
            "nCorrection": "n_correction",
        },
    ),
    "cg": Method(
        optimizers.CG,
        {
            "maxIter": "max_iter",
            "maxEval": "max_eval",
            "rho": "rho",
            "sig": "sig",
            "int": "interpolate",
            "ext": "extrapolate",
            "ratio": "ratio",
        },
    ),
}


def method_of(name: str) -> Method:
    """The method of a name.

    Raises:
        OptimError: there is none.
    """
    if name not in METHODS:
        raise OptimError(f"optim.{name}: no such method; there are {', '.join(sorted(METHODS))}")
    return METHODS[name]
