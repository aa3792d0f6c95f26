"""Every check of a golden case: what it runs, which cases have it, what may keep it from that."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from migrate import t7
from verify.golden_batch import at_batch
from verify.golden_case import Case
from verify.golden_compare import Pairs
from verify.golden_model import MODEL
from verify.golden_oracle import ORACLE
from verify.golden_policy import Condition, NotMade
from verify.golden_values import loss

__all__ = ["CHECKS", "CONDITIONS", "Check"]


@dataclass(frozen=True)
class Check:
    """One way to hold a case against an implementation.

    Attributes:
        name: ``oracle_eval``.
        run: gives (what, reference, got) triples.
        applies: whether the case has what the check compares.
        unless: a condition of the case that keeps the check from being made.
    """

    name: str
    run: Callable[[Case], Pairs]
    applies: Callable[[Case], bool]
    unless: Condition | None = None


CONDITIONS: Mapping[Condition, Callable[[Case], bool]] = {
    "random_training": lambda case: case.random,
    "random_always": lambda case: case.always_random,
}


def _reader(case: Case) -> Pairs:
    """The model's file, written as ascii and read again, is the same; so is an ascii twin of it."""
    model = t7.load(case.model_file)
    original = t7.dump(model)
    again = t7.load(t7.dumps(model, mode="ascii"))
    yield "ascii", np.asarray(True), np.asarray(t7.dump(again) == original)
    twin = case.model_file.with_name(f"{case.model_file.stem}_ascii.t7")
    if twin.exists():
        yield "ascii twin", np.asarray(True), np.asarray(t7.dump(t7.load(twin)) == original)


def _dump(case: Case) -> Pairs:
    """What the reader makes of each file is what Torch loaded from it."""
    expected = case.read_json("expected.json")
    for name, dump in expected.items():
        yield name, np.asarray(True), np.asarray(t7.dump(t7.load(case.folder / name)) == dump)


def _keras_file(case: Case) -> Pairs:
    from verify.engines.round_trip import through_keras_file

    yield "output", case.converted(case.inputs), through_keras_file(case.converted, case.inputs)


def _saved_model(case: Case) -> Pairs:
    from verify.engines.round_trip import through_saved_model
    from verify.golden_batch import flat

    outputs = flat(case.converted(case.inputs))
    yield "outputs", outputs, through_saved_model(case.converted, case.inputs)


def _fast(backend: str, case: Case) -> Pairs:
    """The backend's answer against Torch's; serving's gate would only hold it against v2's."""
    from deepbird_v2.serving.errors import CannotRunError
    from verify.engines.fast import through_backend

    expected = loss(case) if _criterion(case) else case.load("output_eval")
    try:
        got = through_backend(backend, case.converted, case.inputs)
    except CannotRunError as error:
        raise NotMade("no_kernel", error.what) from None
    yield "output", expected, got


def _computes(case: Case) -> bool:
    return case.kind in ("module", "criterion")


def _has(*stems: str) -> Callable[[Case], bool]:
    return lambda case: _computes(case) and all(case.has(stem) for stem in stems)


def _criterion(case: Case) -> bool:
    return case.kind == "criterion"


def _answers(case: Case) -> bool:
    """Torch's answer in evaluation mode is on record."""
    return _criterion(case) or _has("output_eval")(case)


CHECKS = (
    Check("reader", _reader, _computes),
    Check("reader_dump", _dump, lambda case: case.kind == "io"),
    Check("oracle_eval", ORACLE["oracle_eval"], _has("output_eval")),
    Check("oracle_train", ORACLE["oracle_train"], _has("output_train")),
    Check("oracle_intermediates", ORACLE["oracle_intermediates"], _has("intermediates")),
    Check("oracle_params", ORACLE["oracle_params"], _has("params_after_train_forward")),
    Check("oracle_statistics", ORACLE["oracle_statistics"], _has("bn_after_train")),
    Check("oracle_eval_backward", ORACLE["oracle_eval_backward"], _has("grad_input_eval")),
    Check("oracle_backward", ORACLE["oracle_backward"], _has("grad_output")),
    Check("oracle_loss", ORACLE["oracle_loss"], _criterion),
    Check("model_eval", MODEL["model_eval"], _has("output_eval"), "random_always"),
    Check("model_train", MODEL["model_train"], _has("output_train"), "random_training"),
    Check(
        "model_intermediates",
        MODEL["model_intermediates"],
        _has("intermediates"),
        "random_always",
    ),
    Check("model_params", MODEL["model_params"], _has("params_after_train_forward")),
    Check("model_statistics", MODEL["model_statistics"], _has("bn_after_train"), "random_training"),
    Check("model_eval_backward", MODEL["model_eval_backward"], _has("grad_input_eval")),
    Check("model_backward", MODEL["model_backward"], _has("grad_output"), "random_training"),
    Check("model_loss", MODEL["model_loss"], _criterion),
    Check("keras_file", _keras_file, _computes, "random_always"),
    Check("saved_model", _saved_model, _computes, "random_always"),
    Check("compiled", functools.partial(_fast, "compiled"), _answers, "random_always"),
    Check("litert", functools.partial(_fast, "litert"), _answers, "random_always"),
    Check("batch_of_1", functools.partial(at_batch, 1), _computes, "random_always"),
    Check("batch_of_7", functools.partial(at_batch, 7), _computes, "random_always"),
)
