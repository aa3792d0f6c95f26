"""Golden cases: what real Torch answered, against the oracle and the converted model.

A case is a folder with ``case.json`` and the ``.t7`` files it describes. Every case goes through
every check that its files allow; a check that cannot be made says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

import migrate
from migrate.graph import Module, build, parameters, use, walk
from verify import oracle
from verify.policy import Policy

__all__ = ["CHECKS", "Case", "Check", "CheckResult", "discover", "run_case", "run_check"]

Outcome = Literal["pass", "fail", "unsupported", "excluded"]
SUITES = ("modules", "criteria", "models", "legacy")

# Classes whose training forward draws random numbers; FractionalMaxPooling always does.
RANDOM = {
    "nn.Dropout", "nn.SpatialDropout", "nn.VolumetricDropout", "nn.RReLU", "nn.WhiteNoise",
    "nn.SpatialFractionalMaxPooling", "nn.VolumetricFractionalMaxPooling",
}  # fmt: skip
ALWAYS_RANDOM = {"nn.SpatialFractionalMaxPooling", "nn.VolumetricFractionalMaxPooling"}


@dataclass(frozen=True)
class CheckResult:
    """One check of one case.

    Attributes:
        case: ``modules/Linear``.
        check: name of the check.
        status: how it came out.
        error: largest |difference|; None when nothing was compared.
        ratio: largest error as a multiple of what was allowed.
        detail: what differs, or why the check was not made.
    """

    case: str
    check: str
    status: Outcome
    error: float | None = None
    ratio: float | None = None
    detail: str = ""


@dataclass
class Case:
    """A golden case on disk.

    Attributes:
        folder: of the case.
    """

    folder: Path
    _files: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``suite/case``."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @cached_property
    def info(self) -> dict[str, Any]:
        """``case.json``."""
        loaded: dict[str, Any] = json.loads((self.folder / "case.json").read_text())
        return loaded

    @property
    def suite(self) -> str:
        """``modules``, ``criteria``, ..."""
        return str(self.info.get("suite", self.folder.parent.name))

    def has(self, stem: str) -> bool:
        """Whether the case has the file ``stem.t7``."""
        return (self.folder / f"{stem}.t7").exists()

    def load(self, stem: str) -> Any:
        """The plain value of ``stem.t7``."""
        if stem not in self._files:
            self._files[stem] = migrate.load_t7(self.folder / f"{stem}.t7")
        return self._files[stem]

    @cached_property
    def module(self) -> Module:
        """The module or criterion."""
        return build(self.load("criterion" if self.suite == "criteria" else "model"))

    @cached_property
    def inputs(self) -> Any:
        """What forward takes; a criterion takes [input, target]."""
        if self.suite == "criteria":
            target = self.load("target") if self.has("target") else None
            return [self.load("input"), target]
        return self.load("input")

    @cached_property
    def random(self) -> bool:
        """Whether the training forward draws random numbers."""
        return any(m.class_name in RANDOM for m in walk(self.module))

    @cached_property
    def always_random(self) -> bool:
        """Whether the evaluation forward draws random numbers, too."""
        return "eval_noise_seed" in self.info or any(
            m.class_name in ALWAYS_RANDOM for m in walk(self.module)
        )

    @cached_property
    def converted(self) -> Any:
        """The converted model."""
        return migrate.convert(self.module, example_inputs=self.inputs)

    def seed(self, training: bool) -> int | None:
        """Of the random stream right before the forward."""
        key = "noise_seed" if training else "eval_noise_seed"
        value = self.info.get(key)
        return int(value) if value is not None else None


def discover(folder: Path, suites: tuple[str, ...] = SUITES) -> list[Case]:
    """Every case below ``folder`` (a golden folder, a suite, or one case), sorted."""
    found = sorted(path.parent for path in folder.rglob("case.json"))
    if (folder / "case.json").exists():
        return [Case(folder)]
    cases = [Case(path) for path in found]
    return [case for case in cases if case.suite in suites]


# --- the checks: (case) -> pairs of (what, reference, got) ------------------------------------

Pairs = Iterator[tuple[str, Any, Any]]


def _oracle_eval(case: Case) -> Pairs:
    yield (
        "output",
        case.load("output_eval"),
        oracle.forward(case.module, case.inputs, training=False, seed=case.seed(training=False)),
    )


def _oracle_train(case: Case) -> Pairs:
    yield (
        "output",
        case.load("output_train"),
        oracle.forward(case.module, case.inputs, training=True, seed=case.seed(training=True)),
    )


def _oracle_params(case: Case) -> Pairs:
    model = oracle.Oracle(case.module, training=True, seed=case.seed(training=True))
    model.forward(case.inputs)
    params = [value for value, _ in model.op.parameters()]
    yield "parameters", case.load("params_after_train_forward"), params


def _oracle_statistics(case: Case) -> Pairs:
    model = oracle.Oracle(case.module, training=True, seed=case.seed(training=True))
    model.forward(case.inputs)
    ops = [model.env.build(module) for module in _with_statistics(case)]
    for i, (op, moved) in enumerate(zip(ops, case.load("bn_after_train"), strict=True), 1):
        yield f"running_mean[{i}]", moved["running_mean"], op.running_mean  # type: ignore[attr-defined] # batch normalizations have it
        yield f"running_var[{i}]", moved["running_var"], op.running_var  # type: ignore[attr-defined] # as above


def _with_statistics(case: Case) -> list[Module]:
    """Batch normalizations, in Torch's order."""
    return [module for module in walk(case.module) if "running_mean" in module.tensors]


def _oracle_eval_backward(case: Case) -> Pairs:
    grad_inputs, grad_params = oracle.backward(
        case.module, case.inputs, case.load("grad_output"), False, case.seed(training=False)
    )
    yield "grad_input", case.load("grad_input_eval"), grad_inputs
    if case.has("grad_params_eval"):
        yield "grad_params", case.load("grad_params_eval"), grad_params


def _oracle_backward(case: Case) -> Pairs:
    grad_inputs, grad_params = oracle.backward(
        case.module, case.inputs, case.load("grad_output"), True, case.seed(training=True)
    )
    if case.has("grad_input"):
        yield "grad_input", case.load("grad_input"), grad_inputs
    if case.has("grad_params"):
        yield "grad_params", case.load("grad_params"), _listed(case, grad_params)


def _listed(case: Case, grads: list[Any]) -> list[Any]:
    """Without those that Torch has as tables of keys, where the case leaves them out."""
    if len(case.load("grad_params")) == len(grads):
        return grads
    tables = [
        p.name == "weight" and p.module.class_name == "nn.IndexLinear"
        for p in parameters(case.module)
    ]
    return [grad for grad, table in zip(grads, tables, strict=True) if not table]


def _oracle_intermediates(case: Case) -> Pairs:
    traced = oracle.Oracle(case.module, seed=case.seed(training=False)).trace(case.inputs)
    return _children(case, {path: output for path, (_, output) in traced.items()})


def _loss(case: Case) -> Any:
    """The loss, a Lua number, in the type that it was computed in."""
    return np.asarray(case.load("loss"), first_float(case.inputs))


def first_float(value: Any) -> Any:
    """The type of the first floating array in nested lists; float64 without one."""
    if isinstance(value, list):
        kinds = [first_float(entry) for entry in value if isinstance(entry, list | np.ndarray)]
        return next((kind for kind in kinds if kind == np.float32), np.dtype(np.float64))
    return value.dtype


def _oracle_loss(case: Case) -> Pairs:
    yield "loss", _loss(case), oracle.forward(case.module, case.inputs)
    if case.has("grad_input"):
        yield (
            "grad_input",
            case.load("grad_input"),
            oracle.backward(case.module, case.inputs, 1.0)[0],
        )


def _model_eval(case: Case) -> Pairs:
    yield "output", case.load("output_eval"), case.converted(case.inputs)


def _model_train(case: Case) -> Pairs:
    with _unchanged(case.converted):
        got = case.converted(case.inputs, training=True)
    yield "output", case.load("output_train"), got


def _model_params(case: Case) -> Pairs:
    with _unchanged(case.converted):
        case.converted(case.inputs, training=True)
        params = case.converted.parameters()
    yield "parameters", case.load("params_after_train_forward"), params


def _model_statistics(case: Case) -> Pairs:
    modules = _with_statistics(case)
    with _unchanged(case.converted):
        case.converted(case.inputs, training=True)
        now = {b.path: b.variable.numpy() for b in case.converted.report.bindings}
    for i, (module, moved) in enumerate(zip(modules, case.load("bn_after_train"), strict=True), 1):
        for name in ("running_mean", "running_var"):
            yield f"{name}[{i}]", moved[name], now[f"{module.path}.{name}".lstrip(".")]


def _model_eval_backward(case: Case) -> Pairs:
    grad_inputs, grad_params = case.converted.gradients(
        case.inputs, case.load("grad_output"), training=False
    )
    yield "grad_input", case.load("grad_input_eval"), grad_inputs
    if case.has("grad_params_eval"):
        yield "grad_params", case.load("grad_params_eval"), grad_params


def _model_backward(case: Case) -> Pairs:
    with _unchanged(case.converted):
        grad_inputs, grad_params = case.converted.gradients(case.inputs, case.load("grad_output"))
    if case.has("grad_input"):
        yield "grad_input", case.load("grad_input"), grad_inputs
    if case.has("grad_params"):
        yield "grad_params", case.load("grad_params"), _listed(case, grad_params)


def _model_intermediates(case: Case) -> Pairs:
    return _children(case, case.converted.intermediates(case.inputs))


def _children(case: Case, outputs: dict[str, Any]) -> Pairs:
    """Of the direct children, in their order."""
    listed = case.load("intermediates")
    used: set[str] = set()
    for child, expected in zip(case.module.children, listed, strict=True):
        name = use(child.path, used)
        used.add(name)
        yield name, expected["output"], outputs[name]


def _model_loss(case: Case) -> Pairs:
    yield "loss", _loss(case), case.converted(case.inputs)
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


@dataclass(frozen=True)
class Check:
    """One way to hold a case against an implementation.

    Attributes:
        name: ``oracle_eval``.
        run: gives (what, reference, got) triples.
        applies: whether the case has the files, and the answer is not random.
    """

    name: str
    run: Callable[[Case], Pairs]
    applies: Callable[[Case], bool]


def _deterministic(case: Case) -> bool:
    return not case.random and not case.always_random


CHECKS = (
    Check("oracle_eval", _oracle_eval, lambda c: c.has("output_eval")),
    Check("oracle_train", _oracle_train, lambda c: c.has("output_train")),
    Check("oracle_intermediates", _oracle_intermediates, lambda c: c.has("intermediates")),
    Check("oracle_params", _oracle_params, lambda c: c.has("params_after_train_forward")),
    Check("oracle_statistics", _oracle_statistics, lambda c: c.has("bn_after_train")),
    Check("oracle_eval_backward", _oracle_eval_backward, lambda c: c.has("grad_input_eval")),
    Check("oracle_backward", _oracle_backward, lambda c: c.has("grad_output")),
    Check("oracle_loss", _oracle_loss, lambda c: c.suite == "criteria"),
    Check("model_eval", _model_eval, lambda c: c.has("output_eval") and not c.always_random),
    Check("model_train", _model_train, lambda c: c.has("output_train") and _deterministic(c)),
    Check(
        "model_intermediates",
        _model_intermediates,
        lambda c: c.has("intermediates") and not c.always_random,
    ),
    Check("model_params", _model_params, lambda c: c.has("params_after_train_forward")),
    Check(
        "model_statistics",
        _model_statistics,
        lambda c: c.has("bn_after_train") and _deterministic(c),
    ),
    Check("model_eval_backward", _model_eval_backward, lambda c: c.has("grad_input_eval")),
    Check("model_backward", _model_backward, lambda c: c.has("grad_output") and _deterministic(c)),
    Check("model_loss", _model_loss, lambda c: c.suite == "criteria"),
)


def run_case(case: Case, policy: Policy | None = None, only: str = "") -> list[CheckResult]:
    """Every check of a case.

    Args:
        case: to check.
        policy: tolerances; default: the packaged policy.
        only: run checks whose name starts with this.
    """
    policy = policy or Policy.load(None)
    chosen = (check for check in CHECKS if check.name.startswith(only) and check.applies(case))
    return [run_check(case, check, policy) for check in chosen]


def run_check(case: Case, check: Check, policy: Policy) -> CheckResult:
    """One check of a case; whatever the implementation raises is a result."""
    try:
        return _judge(case, check, policy)
    except (oracle.OracleError, NotImplementedError) as error:
        return CheckResult(case.name, check.name, "unsupported", detail=str(error))
    except Exception as error:  # noqa: BLE001 - a candidate's exception is a result
        detail = f"{type(error).__name__}: {error}"
        return CheckResult(case.name, check.name, "fail", detail=detail)


def _judge(case: Case, check: Check, policy: Policy) -> CheckResult:
    worst_error, worst_ratio, details = 0.0, 0.0, []
    for what, reference, got in check.run(case):
        for path, ref, value in _leaves(what, reference, got):
            if isinstance(value, str):
                details.append(value)
                worst_ratio = np.inf
                continue
            error, ratio = _compare(ref, value, policy, f"{case.name}/{path}")
            if ratio > 1:
                details.append(f"{path}: off by {error:.3g}, {ratio:.3g} times what is allowed")
            worst_error, worst_ratio = max(worst_error, error), max(worst_ratio, ratio)
    status: Outcome = "pass" if worst_ratio <= 1 else "fail"
    return CheckResult(
        case.name, check.name, status, worst_error, worst_ratio, "; ".join(details[:5])
    )


def _leaves(path: str, ref: Any, got: Any) -> Iterator[tuple[str, Any, Any]]:
    """Matching (path, reference, got) arrays; a mismatch of form gives a message as ``got``."""
    if isinstance(ref, list | dict) and not isinstance(ref, np.ndarray):
        entries = list(ref.values()) if isinstance(ref, dict) else ref
        if not isinstance(got, list | tuple) or len(got) != len(entries):
            form = f"{len(got)} entries" if isinstance(got, list | tuple) else type(got).__name__
            yield path, None, f"{path}: Torch gives a table of {len(entries)}, got {form}"
            return
        for i, (r, g) in enumerate(zip(entries, got, strict=True), 1):
            yield from _leaves(f"{path}[{i}]", r, g)
        return
    if got is None:
        yield path, None, f"{path}: missing"
        return
    ref, got = np.asarray(ref), np.asarray(got)
    if ref.size == 0 and got.size == 0:
        return
    if ref.shape != got.shape and ref.size != 1:
        yield path, None, f"{path}: Torch gives shape {ref.shape}, got {got.shape}"
        return
    yield path, ref, got.reshape(ref.shape) if got.size == ref.size else got


def _compare(ref: Any, got: Any, policy: Policy, output: str) -> tuple[float, float]:
    """Largest |error|, and the largest ratio of error to what is allowed."""
    same = (ref == got) | (np.isnan(ref) & np.isnan(got)) if ref.dtype.kind == "f" else ref == got
    if same.all():
        return 0.0, 0.0
    allowed = policy.tolerance(dtype=ref.dtype, output=output).allowed(ref)
    error = np.abs(got.astype(np.float64) - ref.astype(np.float64))
    error = np.where(same, 0.0, np.where(np.isfinite(error), error, np.inf))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error == 0, 0.0, error / allowed)
    return float(error.max()), float(ratio.max())


def _main() -> None:
    """Run cases named on the command line; for work on one family."""
    import sys

    only = next((a[7:] for a in sys.argv[1:] if a.startswith("--only=")), "")
    total = bad = 0
    for argument in (a for a in sys.argv[1:] if not a.startswith("--")):
        for case in discover(Path(argument)):
            for result in run_case(case, only=only):
                total += 1
                if result.status != "pass":
                    bad += 1
                    print(f"{result.status:12} {result.case} {result.check}: {result.detail[:400]}")
    print(f"{total - bad} passed, {bad} failed")


if __name__ == "__main__":
    _main()
