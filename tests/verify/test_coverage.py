"""The coverage page is current: every class, every golden case, converters and oracles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deepbird_cli.main import app
from verify.coverage import CoverageError, extract, load, page, rows, stale, to_text

DOCS = Path(__file__).parents[2] / "docs"
AGAIN = "run: deepbird verify coverage (with --from, if golden cases changed)"


@pytest.fixture(scope="module")
def results():
    return load(DOCS / "coverage.json")


@pytest.fixture(scope="module")
def table():
    return rows(Path(__file__).parents[2] / "golden")


def test_the_page_is_current(table, results):
    assert page(table, results) == (DOCS / "coverage.md").read_text(encoding="utf-8"), AGAIN


def test_every_golden_case_is_in_the_results_and_passed(golden, results):
    assert stale(golden, results) == []
    assert {case["status"] for case in results["cases"].values()} == {"pass"}


def test_every_class_of_a_golden_case_has_a_converter_and_an_oracle(table):
    with_cases = [row for row in table if row.cases]
    assert len(with_cases) > 150
    for row in with_cases:
        assert row.converter, row.name
        assert row.forward, row.name
        assert row.backward, row.name


def test_the_extract_reads_back(results, tmp_path):
    path = tmp_path / "x.json"
    path.write_text(to_text(results))
    assert load(path) == results
    assert to_text(load(path)) == (DOCS / "coverage.json").read_text(encoding="utf-8")


def test_stale_results_are_named(golden, results):
    cases = dict(results["cases"])
    cases["modules/Old"] = cases.pop("modules/Linear")
    assert stale(golden, {**results, "cases": cases}) == [
        "modules/Linear: not in the results",
        "modules/Old: in the results, not in the folder",
    ]


CHECK = {"status": "pass", "allowed": 1.0, "detail": ""}
RUN = {
    "schema": "deepbird.golden",
    "only": "",
    "policy": "p",
    "results": [
        {
            "case": "modules/X",
            "status": "fail",
            "classes": ["nn.X"],
            "checks": [
                {"check": "oracle_eval", "error": 0.5, "ratio": 0.25, **CHECK},
                {"check": "oracle_train", "error": 0.1, "ratio": 0.75, **CHECK},
                {"check": "model_eval", "error": "inf", "ratio": "inf", **CHECK, "status": "fail"},
                {
                    "check": "batch_of_1",
                    **CHECK,
                    "error": None,
                    "ratio": None,
                    "status": "excluded",
                    "detail": "r|",
                },
            ],
        },
        {"case": "rng/x", "status": "not looked at", "classes": [], "checks": []},
    ],
}


def test_an_extract_keeps_the_worst_of_each_side():
    kept = extract(RUN)
    assert kept["cases"] == {
        "modules/X": {
            "status": "fail",
            "checks": 4,
            "worst": {"oracle forward": [0.5, 0.75], "model forward": [float("inf"), float("inf")]},
        }
    }
    text = page([], kept)
    assert "do not pass: modules/X" in text
    assert "| `batch_of_1` | 1 | r\\| |" in text


@pytest.mark.parametrize("run", [{}, {**RUN, "only": "oracle"}])
def test_part_of_a_run_is_refused(run):
    with pytest.raises(CoverageError, match="whole golden run"):
        extract(run)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_bad_results(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(CoverageError, match=r"x\.json"):
        load(path)


def test_the_command_writes_page_and_extract(golden, tmp_path):
    kept = tmp_path / "coverage.json"
    kept.write_text((DOCS / "coverage.json").read_text())
    options = ["-o", str(tmp_path / "coverage.md"), "--golden", str(golden)]
    result = CliRunner().invoke(app, ["verify", "coverage", *options])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "coverage.md").read_text().startswith("# Coverage")
    data = json.loads(kept.read_text())
    del data["cases"]["modules/Linear"]
    kept.write_text(json.dumps(data))
    result = CliRunner().invoke(app, ["verify", "coverage", *options])
    assert "modules/Linear: not in the results" in str(result.exception)
