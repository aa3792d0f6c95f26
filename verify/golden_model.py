"""Checks of the converted model: (case) → triples of (what, Torch's value, the model's)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from verify.golden_case import Case
from verify.golden_compare import Pairs
from verify.golden_values import children, listed, loss, with_statistics

__all__ = ["MODEL"]


def _eval(case: Case) -> Pairs:
    yield "output", case.load("output_eval"), case.converted(case.inputs)


def _train(case: Case) -> Pairs:
    with _unchanged(case.converted):
        got = case.converted(case.inputs, training=True)
    yield "output", case.load("output_train"), got


def _params(case: Case) -> Pairs:
    with _unchanged(case.converted):
        case.converted(case.inputs, training=True)
        params = case.converted.parameters()
    yield "parameters", case.load("params_after_train_forward"), params


def _statistics(case: Case) -> Pairs:
    modules = with_statistics(case)
    with _unchanged(case.converted):
        case.converted(case.inputs, training=True)
        now = {b.path: b.variable.numpy() for b in case.converted.report.bindings}
    for i, (module, moved) in enumerate(zip(modules, case.load("bn_after_train"), strict=True), 1):
        for name in ("running_mean", "running_var"):
            yield f"{name}[{i}]", moved[name], now[f"{module.path}.{name}".lstrip(".")]


def _eval_backward(case: Case) -> Pairs:
    grad_inputs, grad_params = case.converted.gradients(
        case.inputs, case.load("grad_output"), training=False
    )
    yield "grad_input", case.load("grad_input_eval"), grad_inputs
    if case.has("grad_params_eval"):
        yield "grad_params", case.load("grad_params_eval"), grad_params


def _backward(case: Case) -> Pairs:
    with _unchanged(case.converted):
        grad_inputs, grad_params = case.converted.gradients(case.inputs, case.load("grad_output"))
    if case.has("grad_input"):
        yield "grad_input", case.load("grad_input"), grad_inputs
    if case.has("grad_params"):
        yield "grad_params", case.load("grad_params"), listed(case, grad_params)


def _intermediates(case: Case) -> Pairs:
    return children(case, case.converted.intermediates(case.inputs))


def _criterion(case: Case) -> Pairs:
    yield "loss", loss(case), case.converted(case.inputs)
    if case.has("grad_input"):
        got = case.converted.gradients(case.inputs, 1.0)[0]
        yield "grad_input", case.load("grad_input"), got


@contextmanager
def _unchanged(converted: Any) -> Iterator[None]:
    """Put back what a training forward changes, such as running statistics."""
    before = [variable.numpy() for variable in converted.model.variables]
    try:
        yield
    finally:
        for variable, value in zip(converted.model.variables, before, strict=True):
            variable.assign(value)


MODEL: Mapping[str, Callable[[Case], Pairs]] = {
    "model_eval": _eval,
    "model_train": _train,
    "model_intermediates": _intermediates,
    "model_params": _params,
    "model_statistics": _statistics,
    "model_eval_backward": _eval_backward,
    "model_backward": _backward,
    "model_loss": _criterion,
}
