"""The oracle's training loop against every recorded run of real Torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import migrate
from verify.oracle.base import OracleError
from verify.oracle.lbfgs import polyinterp
from verify.oracle.optim import step
from verify.traces import load_traces
from verify.training import oracle_training

TRAINING = Path(__file__).parents[3] / "golden" / "training"
CASES = sorted(path.name for path in TRAINING.iterdir())
# Runs that go on until losses are nothing but rounding: their early steps count.
EARLY = {"cg": 5, "lbfgs": 12, "lbfgs_lswolfe": 5}
# Parameters whose gradient is zero but for rounding, which adam makes a step of full size of.
NOISE = {"adam_conv_bn": ("1.Linear.bias",)}


@pytest.mark.parametrize("case", CASES)
def test_follows_torch(case: str) -> None:
    trace = load_traces(TRAINING / case)[0]
    oracle = oracle_training(trace)
    np.testing.assert_array_equal(oracle.x, trace.params[0])
    rtol, atol = (1e-12, 1e-14) if oracle.x.dtype == np.float64 else (2e-6, 2e-6)
    history = TRAINING / case / "fs_history.t7"
    seen = migrate.load_t7(history) if history.exists() else None
    for t in range(1, EARLY.get(case, trace.steps) + 1):
        losses = oracle.step(*trace.batch(t))
        if case in EARLY:
            rtol, atol = 1e-6, 1e-9
            np.testing.assert_allclose(losses, seen[t - 1], rtol=rtol)
        np.testing.assert_allclose(losses[0], trace.losses[t - 1], rtol=rtol)
        if t in trace.params:
            named = zip(
                trace.layout.paths,
                trace.layout.split(oracle.x),
                trace.layout.split(trace.params[t]),
                strict=True,
            )
            for path, ours, theirs in named:
                if path not in NOISE.get(case, ()):
                    np.testing.assert_allclose(ours, theirs, rtol, atol, err_msg=path)
        if t in trace.averages:
            np.testing.assert_allclose(oracle.state["ax"], trace.averages[t], rtol, atol)


@pytest.mark.parametrize("case", [c for c in CASES if c not in EARLY and c not in NOISE])
def test_ends_in_torchs_state(case: str) -> None:
    trace = load_traces(TRAINING / case)[0]
    oracle = oracle_training(trace)
    for t in range(1, trace.steps + 1):
        oracle.step(*trace.batch(t))
    scratch = {"tmp", "denom", "paramStd", "deltaParameters", "max"}
    scratch |= {"psign", "nsign", "zsign", "dminmax"}
    if case.startswith(("adadelta", "rprop")):
        scratch |= {"delta", "sign"} if "adadelta" in case else set()
    for name, value in (trace.state or {}).items():
        if name not in scratch:
            rtol = 1e-10 if oracle.x.dtype == np.float64 else 1e-4
            np.testing.assert_allclose(
                np.ravel(oracle.state[name]), np.ravel(value), rtol, 1e-7, err_msg=name
            )


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("sdg", {}, "there are adadelta"),
        ("sgd", {"nesterov": True}, "nesterov needs"),
        ("nag", {"momentum": 0}, "positive"),
        ("lbfgs", {"lineSearch": "mine"}, "lswolfe"),
    ],
)
def test_refuses(name: str, config: dict, message: str) -> None:
    with pytest.raises(OracleError, match=message):
        step(name, lambda x: (1.0, x), np.ones(1), config, {})


def test_cubic_minimum() -> None:
    # f = (x - 2)^3 - 3 (x - 2) has its lowest point at 3
    def point(x: float) -> tuple[float, float, float]:
        return x, (x - 2) ** 3 - 3 * (x - 2), 3 * (x - 2) ** 2 - 3

    assert polyinterp(point(2.0), point(3.5)) == pytest.approx(3)
    assert polyinterp(point(3.5), point(2.0)) == pytest.approx(3)
    assert polyinterp(point(1.5), point(2.0), (2.1, 9.0)) == pytest.approx(3)
    assert polyinterp(point(1.5), point(2.0), (4.0, 9.0)) == pytest.approx(4)
