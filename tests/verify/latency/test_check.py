"""Whole checks: processes, recordings, reports."""

import csv
import json

import numpy as np
import pytest

from verify.engines.recorded_latency import RecordedLatency
from verify.latency.check import Notes, read_requests, verify_latency
from verify.latency.design import Design
from verify.latency.experiment import run_experiment
from verify.latency.fingerprint import fingerprint
from verify.latency.report import make_report
from verify.latency.store import FILE, read_samples, write_samples
from verify.latency.synthetic import Machine, SyntheticEngines
from verify.latency.target import Target
from verify.latency.worker import Worker, WorkerError
from verify.report import write_report
from verify.verdict import Status

SMALL = Design(restarts=2, most_restarts=2, blocks=1, rounds=1, requests=5)


@pytest.fixture(scope="module")
def outcome():
    design = Design(restarts=3, most_restarts=3, blocks=2, requests=40)
    engines = SyntheticEngines(design, {"v2": 1.5}, Machine())
    return run_experiment(engines.start, None, design)


def test_a_report_in_every_format(outcome, tmp_path):
    roles = {"v1": "a", "v2": "b"}
    notes = Notes(unsteady={"v2"}, foreign=["processor: a → b"])
    report = make_report(outcome, notes, roles, 10.0, {"processor": "x"}, "deepbird verify latency")
    assert report.verdict.status is Status.FAIL
    paths = write_report(report, tmp_path)
    page = paths["html"].read_text()
    assert "response: percentiles" in page
    assert "5% is seen with" in page
    assert "v2 was not steady" in page
    data = json.loads(paths["json"].read_text())
    numbers = data["verdict"]["checks"][0]["numbers"]
    assert numbers["low"] <= numbers["estimate"] <= numbers["high"]
    assert numbers["estimate"] == pytest.approx(1.5, rel=0.1)


def test_a_later_check_compares_with_an_earlier_one(outcome, tmp_path):
    path = write_samples(tmp_path, outcome.samples, {"processor": "x"})
    assert path.name == FILE
    columns, machine = read_samples(path)
    assert machine == {"processor": "x"}
    pooled = outcome.samples.pooled("cpu")[1]
    assert len(columns["cpu"]) == pooled.sum()
    assert np.median(columns["cpu"]) == pytest.approx(1.5e-3, rel=0.1)
    recorded = RecordedLatency(path, restarts=3, blocks=2, turns=2)
    parts = [recorded.segment(r, n)["cpu"] for r in range(3) for n in range(4)]
    np.testing.assert_array_equal(np.concatenate(parts), columns["cpu"])


@pytest.mark.parametrize("text", ["{}", "[]", "no", '{"format": "deepbird-latency", "version": 9}'])
def test_what_is_no_recording_is_refused(tmp_path, text):
    path = tmp_path / "latency.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"latency\.json"):
        RecordedLatency(path, 2, 2)


@pytest.mark.parametrize(
    ("header", "value", "problem"),
    [("weather", "1", "no column"), ("response_ms", "-1", "not above 0"),
     ("response_ms", "x", "other than numbers"), ("service_us", "5", "take 4 or more")],
)  # fmt: skip
def test_a_csv_that_cannot_be_used(tmp_path, header, value, problem):
    path = tmp_path / "v1.csv"
    path.write_text(f"{header}\n{value}\n")
    with pytest.raises(ValueError, match=problem):
        RecordedLatency(path, 2, 2)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("http://x:1", "thrift://"), ("thrift://x", "host:port"), ("nowhere", "no such file"),
     (__file__, "neither")],
)  # fmt: skip
def test_what_cannot_be_measured(text, problem):
    with pytest.raises(ValueError, match=problem):
        Target.parse(text)


def test_targets(tmp_path, golden):
    assert Target.parse("thrift+buffered://host:9090").kind == "endpoint"
    assert Target.parse(str(golden / "flights" / "flights.t7")).kind == "v1"
    assert Target.parse(str(tmp_path), "compiled").backend == "compiled"
    with pytest.raises(ValueError, match="unknown backend"):
        Target.parse(str(tmp_path), "onnx")


def test_an_engine_against_a_recording(golden, tmp_path):
    """A real process answers; v1 took a second a request, so it is surely faster."""
    path = tmp_path / "v1.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["service_s", "response_s"])
        rows.writerows([[1 + i / 100, 1 + i / 100] for i in range(40)])
    v2 = Target.parse(str(golden / "flights" / "flights.t7"))
    requests = read_requests(golden / "flights" / "requests.lzo", 2, most=8)
    assert [len(r) for r in requests] == [2] * 8
    report = verify_latency(
        Target.parse(str(path)), v2, requests, design=SMALL, folder=tmp_path / "out"
    )
    checks = {(c.stage.value, c.name): c for c in report.verdict.checks}
    assert checks["latency", "service p50"].numbers["estimate"] < 0.5
    assert checks["noise", "machine"].status is Status.INCONCLUSIVE
    assert "the oracle" in report.roles["v2"]
    assert read_samples(tmp_path / "out" / FILE)[1] == fingerprint()


def test_an_engine_that_fails_says_why(golden):
    target = Target.parse(str(golden / "flights" / "flights.t7"))
    with (
        Worker(target, [[b"\x63"]], None) as worker,
        pytest.raises(WorkerError, match="DecodeError"),
    ):
        worker.warm_up()


def test_v2_has_to_be_measured(tmp_path):
    recording = Target("recorded", str(tmp_path / "latency.json"))
    with pytest.raises(ValueError, match="only v1"):
        verify_latency(recording, recording, [[b"\0"]], design=SMALL)


def test_too_few_records(golden):
    with pytest.raises(ValueError, match="make no request of"):
        read_requests(golden / "flights" / "requests.lzo", 10**6)


@pytest.mark.parametrize(
    "bad", [{"restarts": 1}, {"blocks": 0}, {"error": 0.7}, {"utilization": 1}]
)
def test_a_design_that_cannot_be(bad):
    with pytest.raises(ValueError, match=r".+"):
        Design(**bad)
