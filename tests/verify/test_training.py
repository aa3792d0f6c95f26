"""Recorded v1 training repeated in TensorFlow: all of it passes, and a wrong option does not."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import legacy_yaml
from migrate.graph import with_fields
from migrate.records import attach_splits
from verify import training
from verify.compare.training import Envelope, Record, drift, first_leak
from verify.report import write_report
from verify.seeded import calibration_of, seeded_network
from verify.traces import Trace, TraceError, load_traces
from verify.training import Comparison, compare_training, verify_training
from verify.verdict import Status

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = sorted(path.name for path in (GOLDEN / "training").iterdir())


def load(case: str) -> Trace:
    return load_traces(GOLDEN / "training" / case)[0]


def statuses(result: Comparison) -> set[Status]:
    return {check.status for check in training._checks(result)}


@pytest.mark.parametrize("case", CASES)
def test_v2_learns_what_v1_learnt(case: str) -> None:
    result = compare_training(load(case))
    failed = [check for check in training._checks(result) if check.status is not Status.PASS]
    assert not failed
    assert len(result.v1_v2) >= 4
    assert len(result.oracle_v2) == result.trace.steps
    if result.trace.state and case not in ("cg", "sgd_plain"):
        assert result.ends


# case, changed options, where the runs part
FAULTS = [
    ("adam_params", {"epsilon": 2e-4}, 1),
    ("adam_params", {"beta1": 0.81}, 2),
    ("adagrad_wd_decay", {"learningRateDecay": 0.0}, 2),
    ("adagrad_wd_decay", {"weightDecay": 0.0011}, 1),
    ("sgd_momentum", {"momentum": 0.89}, 2),
    ("sgd_momentum", {"dampening": 0.0}, 2),
    ("sgd_momentum_dampening_wd_decay", {"learningRateDecay": 0.0101}, 2),
    ("rmsprop_params", {"epsilon": 1.1e-3}, 1),
    ("adadelta", {"eps": 1.1e-6}, 1),
    ("rprop", {"etaplus": 1.21}, 2),
    ("asgd", {"lambda": 0.0011}, 1),
    ("nag", {"momentum": 0.91}, 2),
    ("adamax_params", {"beta2": 0.96}, 2),
    ("sgd_nesterov", {"nesterov": False}, 1),
    ("sgd_momentum", {"dampening": 0.0}, 2),
    ("rmsprop_params", {"alpha": 0.91}, 1),
    ("sgd_wd_float", {"learningRateDecay": 0.0}, 2),
    ("lbfgs", {"learningRate": 0.51}, 1),
]


@pytest.mark.parametrize(("case", "options", "step"), FAULTS)
def test_a_wrong_option_is_found(case: str, options: dict[str, float], step: int) -> None:
    trace = load(case)
    trace = dataclasses.replace(trace, config={**trace.config, **options}, steps=2, state=None)
    result = compare_training(dataclasses.replace(trace, final=None))
    leak = first_leak(result.v1_v2)
    assert leak is not None
    assert leak.step == step
    assert leak.name in trace.layout.paths
    assert leak.error > 2 * leak.allowed
    finding = next(training._findings(result))
    assert f"step {step}" in finding.location
    assert "did not train with these options" in finding.hint


def test_wrong_dropout_is_found() -> None:
    trace = load("dropout_adam")
    path = next(m.path for m in trace.module.children if m.class_name == "nn.Dropout")
    rate = trace.module.children[[m.path for m in trace.module.children].index(path)].number("p")
    wrong = with_fields(trace.module, {path: {"p": rate * 1.01}})
    result = compare_training(dataclasses.replace(trace, module=wrong, steps=2))
    leak = first_leak(result.v1_v2)
    assert leak is not None
    assert leak.step == 1
    assert Status.FAIL in statuses(result)
    result = compare_training(dataclasses.replace(trace, seed=1, steps=2))
    assert first_leak(result.v1_v2) is not None


def test_v2_alone_wrong_is_told_apart(monkeypatch) -> None:
    from verify.engines import training as engine

    make = engine.make_optimizer

    def faulty(name, config, trainable):
        return make(name, {**config, "learningRate": config["learningRate"] * 1.001}, trainable)

    monkeypatch.setattr(engine, "make_optimizer", faulty)
    result = compare_training(dataclasses.replace(load("adam"), steps=2, state=None))
    finding = next(training._findings(result))
    assert "v2 does not do what the oracle does from step 1" in finding.text


def flights(name: str, steps: int) -> Trace:
    trace = next(t for t in load_traces(GOLDEN / "flights") if t.name == name)
    return dataclasses.replace(trace, steps=steps)


@pytest.mark.parametrize(("name", "steps"), [("flights", 20), ("flights_split", 10)])
def test_production_models(name: str, steps: int) -> None:
    result = compare_training(flights(name, steps))
    assert statuses(result) == {Status.PASS}
    assert [record.step for record in result.v1_v2][-1] == steps
    off = [abs(v2 - v1) / v1 for _, v1, _, v2, _ in result.losses]
    assert max(off) < 1e-5


@pytest.mark.parametrize("name", ["flights", "flights_split"])
def test_production_models_from_the_seed_alone(name: str) -> None:
    trace = flights(name, 1)
    folder = GOLDEN / "flights"
    calibrated = calibration_of(folder / f"{name}.t7")
    config = legacy_yaml.load(folder / f"{name}.yaml")
    seeded = attach_splits(seeded_network(config, calibrated), trace.features)
    started = training.oracle_training(trace.starting_from(seeded))
    np.testing.assert_array_equal(started.x, training.oracle_training(trace).x)
    other = attach_splits(seeded_network(config, calibrated, seed=1), trace.features)
    assert not np.array_equal(training.oracle_training(trace.starting_from(other)).x, started.x)
    again = attach_splits(
        seeded_network(config, calibrated, seed=1, weights=folder / f"{name}_initial.t7"),
        trace.features,
    )
    np.testing.assert_array_equal(training.oracle_training(trace.starting_from(again)).x, started.x)


def test_report(tmp_path: Path) -> None:
    report = verify_training(GOLDEN / "training" / "sgd_bn", command="deepbird verify training")
    assert report.verdict.status is Status.PASS
    paths = write_report(report, tmp_path)
    html = paths["html"].read_text()
    assert "Drift of the parameters" in html
    assert "polyline" in html
    assert "running_var" in paths["json"].read_text()


def test_a_changed_case_fails_by_name(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "training" / "adam", tmp_path / "adam")
    path = tmp_path / "adam" / "case.json"
    info = json.loads(path.read_text())
    info["optim_config"]["epsilon"] = 1e-4
    path.write_text(json.dumps(info))
    report = verify_training(tmp_path / "adam")
    assert report.verdict.status is Status.FAIL
    assert "step 1: " in report.verdict.reason
    assert report.verdict.decisive.location.startswith("step 1, ")


def test_folders_that_are_no_traces(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"neither case\.json"):
        load_traces(tmp_path)
    (tmp_path / "case.json").write_text('{"steps": 3, "learning_rate": 1}')
    with pytest.raises(TraceError, match="missing"):
        load_traces(tmp_path)
    (tmp_path / "case.json").write_text("{}")
    with pytest.raises(TraceError, match="'steps'"):
        load_traces(tmp_path)
    with pytest.raises(TraceError, match="no trace 'x'; there are adam"):
        verify_training(GOLDEN / "training" / "adam", only="x")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("{", "not JSON"),
        ({"optim_method": "adamw"}, "optim_method is 'adamw'; can repeat adadelta"),
        ({"loop": "m:accUpdateGradParameters(x, g, lr)"}, r"the loop has no optim\.adam"),
        ({"steps": 29}, "29 steps, but 30 losses"),
    ],
)
def test_cases_that_cannot_be_repeated(tmp_path: Path, changed, message: str) -> None:
    folder = shutil.copytree(GOLDEN / "training" / "adam", tmp_path / "adam")
    path = folder / "case.json"
    info = json.loads(path.read_text())
    path.write_text(changed if isinstance(changed, str) else json.dumps({**info, **changed}))
    with pytest.raises(TraceError, match=message):
        load_traces(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_no_number_is_no_match(value: float) -> None:
    trace = dataclasses.replace(load("sgd_plain"), steps=3, state=None)
    losses = trace.losses.copy()
    losses[1] = value
    checks = training._checks(compare_training(dataclasses.replace(trace, losses=losses)))
    failed = [check for check in checks if check.status is Status.FAIL]
    assert [check.location for check in failed] == ["step 2, loss"]


def test_another_start_is_found_at_step_0() -> None:
    trace = load("sgd_plain")
    params = {**trace.params, 0: trace.params[0] + np.float32(1e-3)}
    leak = first_leak(compare_training(dataclasses.replace(trace, params=params, steps=1)).v1_v2)
    assert leak is not None
    assert leak.step == 0


def test_a_wrong_average_is_found() -> None:
    trace = load("asgd")
    wrong = dataclasses.replace(trace, config={**trace.config, "t0": 6})
    result = compare_training(wrong)
    assert first_leak(result.v1_v2) is None
    leak = first_leak(result.averages)
    assert leak is not None
    assert leak.step > 6
    assert first_leak(compare_training(trace).averages) is None


def test_drift() -> None:
    nan = np.array([np.nan, 1.0])
    assert drift(nan, nan) == 0
    assert drift(nan, np.array([0.0, 1.0])) == np.inf
    assert drift(np.array([np.inf]), np.array([np.inf])) == 0
    assert drift(np.array([1.0, 5.0]), np.array([1.5, 3.0])) == 2
    assert drift(np.zeros(2), np.zeros(3)) == np.inf


def test_first_leak_names_the_worst() -> None:
    names = ("a", "b", "c")
    inside = Record(1, [1.0, 0.0, 0.0], [1.0, 0.0, 1.0], names)
    outside = Record(2, [3.0, 1e-9, 0.0], [1.0, 1e-12, 1.0], names)
    leak = first_leak([inside, outside])
    assert leak is not None
    assert (leak.step, leak.name, leak.others) == (2, "b", 1)
    assert first_leak([inside]) is None


def test_envelope_only_widens() -> None:
    trace = load("sgd_plain")
    envelope = Envelope(trace.layout)
    x = trace.params[0]
    envelope.widen(x, 1.0, [(x + 1e-3, 1.1)])
    first = envelope.allowed(x)
    envelope.widen(x, 1.0, [(x, 1.0)])
    assert envelope.allowed(x) == first
    assert envelope.allowed_loss(1.0, x.dtype) == pytest.approx(0.8, rel=1e-3)


def test_nothing_recorded_is_no_evidence() -> None:
    trace = load("sgd_plain")
    bare = dataclasses.replace(trace, params={0: trace.params[0]}, steps=2, state=None, final=None)
    checks = list(training._checks(compare_training(bare)))
    assert Status.INCONCLUSIVE in {check.status for check in checks}
    assert not any("state" in check.name for check in checks)


def test_several_evaluations_a_step() -> None:
    trace = load("rprop_params")
    trace = dataclasses.replace(trace, config={**trace.config, "niter": 3})
    from verify.engines.training import V2Training

    oracle, v2 = training.oracle_training(trace), V2Training(trace)
    for step in range(1, 4):
        losses = v2.step(*trace.batch(step))
        assert len(losses) == 3
        np.testing.assert_allclose(losses, oracle.step(*trace.batch(step)), rtol=1e-12)
        np.testing.assert_allclose(v2.x, oracle.x, rtol=1e-12)
