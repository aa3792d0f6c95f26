"""A converted model behind `deepbird serve`, in a process of its own, checked over the socket."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from deepbird_cli.main import app


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def folder(flights, tmp_path_factory):
    made = tmp_path_factory.mktemp("served") / "flights"
    result = run("convert", flights / "flights.t7", "-o", made)
    assert result.exit_code == 0, result.output
    return made


@pytest.fixture(scope="module")
def address(folder):
    command = [sys.executable, "-m", "deepbird_cli", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        place = process.stdout.readline().partition(" on ")[2].partition(";")[0]
        yield f"thrift://{place}"
        process.terminate()


def report_of(folder):
    report = json.loads((folder / "report.json").read_text())
    return report, {(c["stage"], c["name"]): c for c in report["verdict"]["checks"]}


def test_recorded_traffic_passes_over_the_socket(flights, address, tmp_path):
    result = run(
        "verify", "traffic", "--v1", flights / "v1_responses.lzo", "--requests",
        flights / "requests.lzo", "--v2", address, "--report", tmp_path,
        "--column", "prediction.score", "--column", "prediction.calibrated",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    report, checks = report_of(tmp_path)
    assert report["roles"]["v2"] == address
    assert "2,500" in checks["join", "rows"]["detail"]


def test_latency_of_an_endpoint_is_what_its_clients_see(flights, address, tmp_path):
    result = run(
        "verify", "latency", "--v1", flights / "flights.t7", "--v2", address, "--requests",
        flights / "requests.lzo", "--restarts", 2, "--most-restarts", 2, "--blocks", 2,
        "--report", tmp_path,
    )  # fmt: skip
    assert result.exit_code in (0, 1, 3), result.output
    _, checks = report_of(tmp_path)
    assert {name for stage, name in checks if stage == "latency"} == {"response p99", "service p50"}
    assert "v2 runs elsewhere" in (tmp_path / "report.md").read_text()
