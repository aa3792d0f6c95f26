"""``pytest --deepbird-golden DIR``: a test a case, with the harness's message on failure."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from migrate import t7

pytest_plugins = ["pytester"]

POLICY = """
version: 1
tolerances:
- {dtype: "*", atol: 1.0e-6, rtol: 1.0e-5, reason: float32}
exclusions:
- checks: ["model_*", "keras_file", "saved_model", "batch_*", compiled, litert]
  reason: of the oracle alone
"""


@pytest.fixture(autouse=True)
def loaded_by_name(monkeypatch):
    """Installed or not, the plugin is loaded once."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def folder(golden, tmp_path):
    """Two small cases."""
    for name in ("Abs", "Square"):
        shutil.copytree(golden / "modules" / name, tmp_path / "suite" / name)
    return tmp_path / "suite"


@pytest.fixture
def run(pytester):
    """Pytest in a process of its own, with a policy that spares it TensorFlow."""
    policy = pytester.path / "policy.yaml"
    policy.write_text(POLICY)
    config = pytester.makeini("[pytest]")

    def run(*arguments):
        options = ("-p", "verify.pytest_plugin", "-c", config, "--deepbird-policy", policy)
        return pytester.runpytest_subprocess(*map(str, (*options, *arguments)))

    return run


def test_a_test_a_case(run, folder):
    result = run("--deepbird-golden", folder, "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*suite/Abs*PASSED*", "*suite/Square*PASSED*"])


def test_other_tests_run_too_and_cases_can_be_selected(pytester, run, folder):
    pytester.makepyfile("def test_mine(): pass")
    run("--deepbird-golden", folder).assert_outcomes(passed=3)
    result = run("--deepbird-golden", folder, "-k", "Square or mine")
    result.assert_outcomes(passed=2, deselected=1)


def test_a_failure_says_which_check_and_by_how_much(run, folder):
    path = folder / "Abs/output_eval.t7"
    t7.save(path, np.array(t7.load(path).numpy()) + np.float32(1))
    result = run("--deepbird-golden", folder)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*suite/Abs: * checks pass", "fail*oracle_eval: output: off by 1*"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_what_no_check_looks_at_is_skipped(run, golden):
    result = run("--deepbird-golden", golden / "rng/bernoulli_tensor_f32", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*random generator*"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--deepbird-golden", "missing"], "*missing: no such folder*"),
        (["--deepbird-golden", ".", "--deepbird-policy", "none.yaml"], "*none.yaml*"),
    ],
)
def test_usage_errors(run, arguments, message):
    result = run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_without_the_option_it_costs_nothing(pytester):
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_imported():
            heavy = {"numpy", "tensorflow", "keras", "verify.golden", "migrate"}
            assert not heavy & set(sys.modules)
        """
    )
    result = pytester.runpytest_subprocess("-p", "verify.pytest_plugin")
    result.assert_outcomes(passed=1)
