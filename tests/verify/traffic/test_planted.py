"""Faults planted in v1's recorded answers, through the command line and a converted model.

Each must FAIL, and the verdict must name the check that is meant for it; unaltered answers must
pass every check there is.
"""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from deepbird_cli.main import app
from deepbird_v2.data import encode_predictions, feature_id, write_records
from deepbird_v2.data.feature_ids import string_keys

SCORE, CALIBRATED = "prediction.score", "prediction.calibrated"
UNITED = "\"carrier.code\" = 'UA'"


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def converted(golden, tmp_path_factory):
    """The model folder that the command makes of the flights model."""
    folder, weights = (
        tmp_path_factory.mktemp("converted") / "flights",
        golden / "flights/flights.t7",
    )
    made = run("convert", weights.with_suffix(".yaml"), "--weights", weights, "-o", folder)
    assert made.exit_code == 0, made.output
    return folder


def some_wrong(answers, _united):
    rows = np.random.default_rng(1).choice(2500, 12, replace=False)
    answers[SCORE][rows] = np.abs(answers[SCORE][rows] - 0.31)


def two_swapped(answers, _united):
    for values in answers.values():
        values[[40, 901]] = values[[901, 40]]


def column_shifted(answers, _united):
    answers[SCORE] = np.roll(answers[SCORE], 1)


def calibration_off(answers, _united):
    answers[CALIBRATED] = np.minimum(1, 1.02 * answers[CALIBRATED])


def everything_off(answers, united):
    calibration_off(answers, united)
    answers[SCORE] = np.minimum(1, 1.02 * answers[SCORE])


def slice_broken(answers, united):
    for values in answers.values():
        values[united] = np.minimum(1, 1.1 * values[united] + 1e-3)


# fault: (how, stage and name of the check that the verdict must name, what it says, where)
FAULTS = {
    "0.5 % of the answers wrong": (
        some_wrong, "values", SCORE, "12 of 2,500 values beyond the tolerance", "row ",
    ),
    "two responses swapped": (
        two_swapped, "join", SCORE, "row 40 holds the answer to row 901", "row 40",
    ),
    "a column shifted by one request": (
        column_shifted, "join", SCORE, "shifted up by 1 row: 100.0% agree with the shift", None,
    ),
    "calibration off by 2 %": (
        calibration_off, "calibration", CALIBRATED, "predicted/observed 1.0137 → 0.99413", None,
    ),
    "every score off by 2 %": (
        everything_off, "calibration", SCORE, "predicted/observed 1.0764 → 1.0553", None,
    ),
    "one slice broken": (
        slice_broken, "slices", f"United of {CALIBRATED}", "408 of its 408 answers are", UNITED,
    ),
}  # fmt: skip


def verify(flights, converted, v1, report, *more):
    return run(
        "verify", "traffic", "--v1", v1, "--requests", flights.requests, "--v2", converted,
        "--group", "flight.dest", "--slice", f"United: {UNITED}", "--slice-by", "flight.hour",
        "--report", report, *more,
    )  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named_by_the_check_meant_for_it(flights, converted, tmp_path, fault):
    plant, stage, name, says, where = FAULTS[fault]
    answers = {output: values.copy() for output, values in flights.v1.items()}
    united = flights.carrier == string_keys(feature_id("carrier.code"), [b"UA"])[0]
    plant(answers, united)
    altered = tmp_path / "v1.lzo"
    write_records(altered, encode_predictions({feature_id(n): v for n, v in answers.items()}))
    done = verify(flights, converted, altered, tmp_path / "report")
    assert done.exit_code == 1, done.output
    verdict = json.loads((tmp_path / "report" / "report.json").read_text())["verdict"]
    assert verdict["status"] == "FAIL"
    assert verdict["reason"].startswith(f"{stage}: {name}: ")
    decisive = verdict["decisive"]
    assert (decisive["stage"], decisive["name"]) == (stage, name)
    assert says in decisive["detail"]
    assert where is None or where in decisive["location"]
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.index('<div class="verdict fail">') < page.index('<h2 id="checks">')


def test_what_v1_recorded_passes_every_check(flights, converted, golden, tmp_path):
    done = verify(
        flights, converted, flights.v1_file, tmp_path, "--v1-model", golden / "flights/flights.t7"
    )
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text())
    checks = report["verdict"]["checks"]
    assert {check["status"] for check in checks} == {"PASS"}
    assert {check["stage"] for check in checks} == {
        "names", "shapes", "dtypes", "join", "nonfinite", "values", "logits", "ranking",
        "calibration", "slices", "traffic", "distribution", "policy",
    }  # fmt: skip
    found = {(check["stage"], check["name"]): check["detail"] for check in checks}
    assert found["traffic", "answers"] == "v2 answered all of 2,500 requests"
    assert found["values", "layers"] == "every layer is v1's"
    for output in (SCORE, CALIBRATED):
        assert found["values", output].startswith("0 of 2,500 values beyond the tolerance")
    assert not (tmp_path / "examples").exists()


def test_a_broken_layer_is_the_headline(flights, converted, golden, tmp_path):
    """A bias that is off moves every score, and so calibration, ranking and slices."""
    from verify.engines.tensorflow import TensorFlowEngine
    from verify.traffic.verify import verify_traffic

    engine = TensorFlowEngine(converted)
    bias = next(v for v in engine.model.variables if "5.FullDenseLayer.1.Linear/bias" in v.path)
    bias.assign(bias + 0.05)
    report = verify_traffic(
        flights.v1_file, flights.requests, engine, v1_model=golden / "flights" / "flights.t7"
    )
    assert report.verdict.reason.startswith("values: layers: first diverging layer 5.")
    assert "first seen in values: prediction.score" in report.verdict.reason
