"""``deepbird verify golden``: results, exit codes, files, folders of every shape, bad input."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from typer.testing import CliRunner

from deepbird_cli.main import app
from migrate import t7
from verify.golden import CHECKS, Case, GoldenPolicy, discover, run_case, run_check
from verify.golden_compare import compare, matched
from verify.golden_run import run_golden
from verify.policy import PolicyError

POLICY = GoldenPolicy.load()


def command(*arguments: object):
    return CliRunner().invoke(app, ["verify", "golden", *map(str, arguments)])


def copied(golden: Path, name: str, to: Path) -> Path:
    shutil.copytree(golden / name, to)
    return to


def rewritten(path: Path, change) -> None:
    """The tensor in a file, changed."""
    values = np.array(t7.load(path).numpy())
    t7.save(path, change(values))


# --- one case -----------------------------------------------------------------------------


def test_one_case(golden, tmp_path):
    files = {name: tmp_path / name for name in ("out.json", "junit.xml")}
    result = command(
        golden / "modules/Linear", "--json", files["out.json"], "--junit", files["junit.xml"]
    )
    assert result.exit_code == 0, result.output
    assert "1 cases: 1 pass" in result.stdout
    assert "worst: modules/Linear" in result.stdout
    [case] = json.loads(files["out.json"].read_text())["results"]
    assert case["case"] == "modules/Linear"
    assert case["classes"] == ["nn.Linear"]
    made = {check["check"]: check for check in case["checks"]}
    assert {"reader", "oracle_eval", "oracle_backward", "model_eval", "model_train"} <= set(made)
    assert {"model_backward", "keras_file", "saved_model", "batch_of_1", "batch_of_7"} <= set(made)
    assert {"compiled", "litert"} <= set(made)
    for check in made.values():
        assert check["status"] == "pass"
        assert check["ratio"] <= 1
    names = [e.get("name") for e in ET.parse(files["junit.xml"]).iter("testcase")]
    assert "modules/Linear model_backward" in names


def test_a_report_is_written(golden, tmp_path):
    result = command(golden / "modules/Abs", "--report", tmp_path / "out", "--only", "oracle")
    assert result.exit_code == 0, result.output
    assert "Golden cases" in (tmp_path / "out/report.html").read_text()


def test_only_makes_the_checks_of_that_name(golden):
    run = run_golden(golden / "modules/Abs", only="oracle")
    assert {check.check for check in run.checks} == {
        "oracle_eval",
        "oracle_train",
        "oracle_backward",
    }


# --- what goes wrong ----------------------------------------------------------------------


def test_a_wrong_answer_fails(golden, tmp_path):
    folder = copied(golden, "modules/Linear", tmp_path / "Linear")
    rewritten(folder / "output_eval.t7", lambda y: y + np.float32(0.5))
    result = command(folder, "--json", "-", "--only", "oracle")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    [bad] = [c for c in report["results"][0]["checks"] if c["status"] == "fail"]
    assert bad["check"] == "oracle_eval"
    assert bad["error"] == pytest.approx(0.5, rel=1e-3)
    assert bad["ratio"] > 1000
    assert report["status"] == "fail"


def test_a_class_without_a_converter_is_unsupported(golden, tmp_path):
    folder = copied(golden, "modules/Abs", tmp_path / "Odd")
    model = t7.load(folder / "model.t7")
    model.class_name = "acme.Odd"
    t7.save(folder / "model.t7", model)
    result = command(folder)
    assert result.exit_code == 1
    assert "1 cases: 1 unsupported" in result.stdout
    assert "no converter for acme.Odd" in result.stdout
    assert "the oracle does not know acme.Odd" in result.stdout


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.t7", b"\x00\x01", "fail"),
        ("input.t7", b"", "fail"),
        ("case.json", b"{", "case.json: cannot be read"),
        ("case.json", b"[]", "should hold an object"),
    ],
)
def test_a_broken_case_fails_and_the_others_go_on(golden, tmp_path, file, content, message):
    broken = copied(golden, "modules/Abs", tmp_path / "suite/Broken")
    copied(golden, "modules/Abs", tmp_path / "suite/Whole")
    (broken / file).write_bytes(content)
    result = command(tmp_path / "suite", "--only", "oracle")
    assert result.exit_code == 1
    assert message in result.stdout
    assert "2 cases: 1 pass, 1 fail" in result.stdout
    assert "internal error" not in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "no such folder"),
        (["."], "no golden case in it"),
        ([".", "--only", "nothing"], "no check is called 'nothing'"),
        ([".", "-n", "0"], "workers must be 1 or more"),
        ([".", "--policy", "none.yaml"], "none.yaml"),
    ],
)
def test_usage_errors(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = command(*arguments)
    assert result.exit_code != 0
    assert isinstance(result.exception, ValueError | OSError)
    assert message in str(result.exception)


def test_a_case_without_its_answers_is_not_a_pass(golden, tmp_path):
    folder = tmp_path / "rng/x"
    shutil.copytree(golden / "rng/bernoulli_tensor_f32", folder)
    result = command(folder)
    assert result.exit_code == 1
    assert "not looked at: rng (1)" in result.stdout


# --- folders ------------------------------------------------------------------------------


def test_a_folder_of_cases_without_suites(golden, tmp_path):
    copied(golden, "modules/Abs", tmp_path / "mine/First")
    copied(golden, "criteria/MSECriterion_avg_true", tmp_path / "mine/Second")
    copied(golden, "io/nested_mixed", tmp_path / "mine/Third")
    for path in tmp_path.rglob("case.json"):
        info = json.loads(path.read_text())
        del info["suite"]
        path.write_text(json.dumps(info))
    run = run_golden(tmp_path / "mine", only="oracle")
    assert [(r.case, r.status, r.suite) for r in run.results if r.checks] == [
        ("mine/First", "pass", "mine"),
        ("mine/Second", "pass", "mine"),
    ]
    assert run_golden(tmp_path / "mine/Third").passed


def test_every_suite_is_discovered_and_told_by_its_files(golden):
    kinds: dict[str, set[str]] = {}
    for case in discover(golden):
        kinds.setdefault(case.suite, set()).add(case.kind)
    assert kinds["modules"] == kinds["models"] == kinds["legacy"] == {"module"}
    assert kinds["criteria"] == {"criterion"}
    assert kinds["training"] == {"training"}
    assert kinds["rng"] == {"rng"}


def test_two_processes_give_what_one_gives(golden, tmp_path):
    for name in ("Abs", "Linear"):
        copied(golden, f"modules/{name}", tmp_path / "suite" / name)
    one = run_golden(tmp_path / "suite", only="oracle", workers=1)
    two = run_golden(tmp_path / "suite", only="oracle", workers=2)
    assert one.to_json() == two.to_json()


# --- policy -------------------------------------------------------------------------------


def policy_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    return path


TOLERANCES = "version: 1\ntolerances:\n- {dtype: '*', atol: 1.0e-3, rtol: 1.0, reason: loose}\n"


def test_an_exclusion_keeps_a_check_from_being_made(golden, tmp_path):
    text = TOLERANCES + (
        "exclusions:\n- {checks: ['oracle_*'], case: '*/Abs', reason: not today}\n"
    )
    policy = GoldenPolicy.load(policy_file(tmp_path, text))
    result = run_case(Case(golden / "modules/Abs"), policy, "oracle")
    assert {(c.status, c.detail) for c in result.checks} == {("excluded", "not today")}
    assert result.status == "excluded"


def test_a_condition_that_the_policy_does_not_know_fails(golden, tmp_path):
    policy = GoldenPolicy.load(policy_file(tmp_path, TOLERANCES))
    check = next(c for c in CHECKS if c.name == "model_train")
    result = run_check(Case(golden / "modules/Dropout"), check, policy)
    assert result.status == "fail"
    assert "random_training" in result.detail


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 2\ntolerances: []\n", "policy.yaml:1: version"),
        ("version: 1\ntolerances:\n- {dtype: float32, atol: 1}\n", "policy.yaml:3: tolerances.0"),
        (TOLERANCES + "exclusions:\n- {checks: [a], when: tired, reason: r}\n", "when"),
        (TOLERANCES + "version: 1\n", "twice"),
        ("tolerances: [\n", "line"),
    ],
)
def test_bad_policies(tmp_path, text, message):
    with pytest.raises(PolicyError, match=message):
        GoldenPolicy.load(policy_file(tmp_path, text))


def test_the_packaged_policy_excludes_kinds_of_cases_not_cases():
    for entry in POLICY.exclusions:
        assert entry.when is not None  # no case is excluded by name
        assert set(entry.checks) <= {check.name for check in CHECKS}


# --- comparing ----------------------------------------------------------------------------

F = np.float32


@pytest.mark.parametrize(
    ("ref", "got", "within"),
    [
        (F([1.0, 2.0]), F([1.0, 2.0]), True),
        (F([1.0, np.nan]), F([1.0, np.nan]), True),
        (F([1.0, np.inf]), F([1.0, np.inf]), True),
        (F([1.0, np.inf]), F([1.0, -np.inf]), False),
        (F([1.0, np.inf]), F([1.0, 3.0]), False),
        (F([1.0, 2.0]), F([1.0, np.nan]), False),
        (F([1.0, np.nan]), F([1.0, 2.0]), False),
        (F([1000.0, 0.0]), F([1000.0, 1e-4]), False),
        (F([1.0, 0.0]), F([1.0, 1e-4]), False),
        (np.float64([1.0]), np.float64([1.0 + 1e-9]), False),
        (np.int64([1]), np.int64([2]), False),
    ],
)
def test_compare(ref, got, within):
    off = compare(ref, got, POLICY, "oracle_eval", "x")
    assert (off.ratio <= 1) is within


def test_a_gradient_may_be_off_by_steps_of_its_largest_value():
    ref, got = F([1000.0, 0.0]), F([1000.0, 1e-4])
    assert compare(ref, got, POLICY, "model_backward", "x").ratio <= 1


@pytest.mark.parametrize(
    ("ref", "got", "message"),
    [
        ([F([1.0])], F([1.0]), "a table of 1, got ndarray"),
        ([F([1.0])], [F([1.0]), F([1.0])], "a table of 1, got 2 entries"),
        (F([1.0, 2.0]), F([[1.0, 2.0]]), r"gives shape \(2,\), got \(1, 2\)"),
        (F([1.0]), None, "missing"),
        (F([1.0]), F([1.0, 1.0]), "gives shape"),
    ],
)
def test_other_forms_are_messages(ref, got, message):
    [(_, _, text)] = matched("y", ref, got)
    assert isinstance(text, str)
    assert re.search(message, text)
