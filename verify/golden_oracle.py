"""Checks of the oracle: (case) → triples of (what, Torch's value, the oracle's)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from verify import oracle
from verify.golden_case import Case
from verify.golden_compare import Pairs
from verify.golden_values import children, listed, loss, with_statistics

__all__ = ["ORACLE"]


def _eval(case: Case) -> Pairs:
    yield (
        "output",
        case.load("output_eval"),
        oracle.forward(case.module, case.inputs, training=False, seed=case.seed(training=False)),
    )


def _train(case: Case) -> Pairs:
    yield (
        "output",
        case.load("output_train"),
        oracle.forward(case.module, case.inputs, training=True, seed=case.seed(training=True)),
    )


def _params(case: Case) -> Pairs:
    model = oracle.Oracle(case.module, training=True, seed=case.seed(training=True))
    model.forward(case.inputs)
    params = [value for value, _ in model.op.parameters()]
    yield "parameters", case.load("params_after_train_forward"), params


def _statistics(case: Case) -> Pairs:
    model = oracle.Oracle(case.module, training=True, seed=case.seed(training=True))
    model.forward(case.inputs)
    ops = [model.env.build(module) for module in with_statistics(case)]
    for i, (op, moved) in enumerate(zip(ops, case.load("bn_after_train"), strict=True), 1):
        yield f"running_mean[{i}]", moved["running_mean"], op.running_mean  # type: ignore[attr-defined] # batch normalizations have it
        yield f"running_var[{i}]", moved["running_var"], op.running_var  # type: ignore[attr-defined] # as above


def _eval_backward(case: Case) -> Pairs:
    grad_inputs, grad_params = oracle.backward(
        case.module, case.inputs, case.load("grad_output"), False, case.seed(training=False)
    )
    yield "grad_input", case.load("grad_input_eval"), grad_inputs
    if case.has("grad_params_eval"):
        yield "grad_params", case.load("grad_params_eval"), grad_params


def _backward(case: Case) -> Pairs:
    grad_inputs, grad_params = oracle.backward(
        case.module, case.inputs, case.load("grad_output"), True, case.seed(training=True)
    )
    if case.has("grad_input"):
        yield "grad_input", case.load("grad_input"), grad_inputs
    if case.has("grad_params"):
        yield "grad_params", case.load("grad_params"), listed(case, grad_params)


def _intermediates(case: Case) -> Pairs:
    traced = oracle.Oracle(case.module, seed=case.seed(training=False)).trace(case.inputs)
    return children(case, {path: output for path, (_, output) in traced.items()})


def _criterion(case: Case) -> Pairs:
    yield "loss", loss(case), oracle.forward(case.module, case.inputs)
    if case.has("grad_input"):
        yield (
            "grad_input",
            case.load("grad_input"),
            oracle.backward(case.module, case.inputs, 1.0)[0],
        )


ORACLE: Mapping[str, Callable[[Case], Pairs]] = {
    "oracle_eval": _eval,
    "oracle_train": _train,
    "oracle_intermediates": _intermediates,
    "oracle_params": _params,
    "oracle_statistics": _statistics,
    "oracle_eval_backward": _eval_backward,
    "oracle_backward": _backward,
    "oracle_loss": _criterion,
}
