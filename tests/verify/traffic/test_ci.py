"""The CI recipe, run on the flights model as a CI server would."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CI = ROOT / "examples" / "ci"


def run(golden, out, deepbird, **more):
    flights = golden / "flights"
    inputs = ("flights.yaml", "flights.t7", "requests.lzo", "v1_responses.lzo")
    return subprocess.run(
        [CI / "verify.sh", *(flights / name for name in inputs)],
        env=os.environ
        | {"OUT": str(out), "SLICES": str(CI / "slices.txt"), "DEEPBIRD": shlex.join(deepbird)}
        | more,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_convert_verify_report_and_compare_with_the_baseline(golden, tmp_path):
    from verify.predictions import load_predictions
    from verify.save_predictions import save_predictions

    dtypes = {"prediction.score": "float32", "prediction.calibrated": "float64"}
    v1 = load_predictions(golden / "flights/v1_responses.lzo", columns=dtypes).columns
    baseline = tmp_path / "baseline" / "predictions.parquet"
    save_predictions(baseline, {name: v.astype(dtypes[name]) for name, v in v1.items()})
    before = baseline.read_bytes()
    done = run(golden, tmp_path, [sys.executable, "-m", "deepbird_cli"])
    assert done.returncode == 0, done.stdout + done.stderr
    report = tmp_path / "report"
    assert {path.name for path in report.iterdir()} == {
        "report.html", "report.md", "junit.xml", "report.json", "comparison.parquet",
        "since-baseline",
    }  # fmt: skip
    cases = list(ET.parse(report / "junit.xml").getroot().iter("testcase"))
    assert len(cases) > 20
    assert not [case for case in cases if case.find("failure") is not None]
    assert "evening from Newark" in (report / "report.md").read_text()
    assert "PASS" in (report / "since-baseline" / "report.md").read_text()
    assert baseline.read_bytes() != before


@pytest.mark.parametrize("code", [0, 1, 3])
def test_only_an_accepted_run_becomes_the_baseline(golden, tmp_path, code):
    """With a stand-in for deepbird: what the script itself decides."""
    stand_in = tmp_path / "deepbird"
    stand_in.write_text(
        "#!/bin/sh\n"
        f"case $1 in verify) exit {code};; diff) exit 1;; esac\n"
        f'case $1 in predict) echo new >"{tmp_path}/predictions.parquet";; esac\n'
    )
    stand_in.chmod(0o755)
    baseline = tmp_path / "baseline" / "predictions.parquet"
    baseline.parent.mkdir()
    baseline.write_text("old\n")
    done = run(golden, tmp_path, [str(stand_in)])
    assert done.returncode == code
    assert "v2 changed since the baseline" in done.stdout
    assert baseline.read_text() == ("new\n" if code == 0 else "old\n")


def test_wrong_usage_prints_how_to():
    done = subprocess.run([CI / "verify.sh", "one"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "verify.sh MODEL.yaml WEIGHTS.t7 REQUESTS V1_RESPONSES" in done.stderr


@pytest.mark.parametrize("code", [2, 4])
def test_a_baseline_that_cannot_be_compared_is_no_change(golden, tmp_path, code):
    stand_in = tmp_path / "deepbird"
    stand_in.write_text(f"#!/bin/sh\ncase $1 in diff) exit {code};; esac\n")
    stand_in.chmod(0o755)
    for name in ("baseline/predictions.parquet", "predictions.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("old\n")
    done = run(golden, tmp_path, [str(stand_in)])
    assert done.returncode == 0
    assert "cannot be compared with the baseline" in done.stdout


def test_slices_and_policy_reach_the_command(golden, tmp_path):
    stand_in, slices = tmp_path / "deepbird", tmp_path / "slices.txt"
    stand_in.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >>{tmp_path}/asked\n'
        f'case $1 in predict) echo new >"{tmp_path}/predictions.parquet";; esac\n'
    )
    stand_in.chmod(0o755)
    slices.write_text("a: x > 1\n\nb: y")  # the last line does not end
    more = {"SLICES": str(slices), "POLICY": "p.yaml"}
    assert run(golden, tmp_path, [str(stand_in)], **more).returncode == 0
    asked = (tmp_path / "asked").read_text()
    assert "--policy\np.yaml\n--slice\na: x > 1\n--slice\nb: y\n" in asked
    missing = run(golden, tmp_path, [str(stand_in)], SLICES="none.txt")
    assert missing.returncode == 2
    assert "none.txt: no such file" in missing.stderr


def test_the_workflow_runs_the_same_script():
    workflow = yaml.safe_load((CI / "github-actions.yml").read_text())
    steps = workflow["jobs"]["verify"]["steps"]
    run = next(step for step in steps if step.get("name") == "Verify")
    script, *inputs = run["run"].split()
    assert [(ROOT / path).exists() for path in (script, *inputs)] == [True] * 5
    assert (ROOT / run["env"]["SLICES"]).exists()
    assert {step["uses"].partition("@")[0] for step in steps if "uses" in step} == {
        "actions/checkout", "actions/setup-python", "actions/cache/restore",
        "actions/cache/save", "actions/upload-artifact",
    }  # fmt: skip


@pytest.mark.parametrize("line", (CI / "slices.txt").read_text().splitlines())
def test_the_slices_are_read(line):
    from verify.traffic.slices import parse_slice, quoted_names

    found = parse_slice(line)
    assert found.name == re.match(r"[\w ]+", line)[0]
    assert quoted_names(found.predicate)
