"""``deepbird train``, ``verify training`` and ``verify gradients`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import migrate
from deepbird_cli.main import app

GOLDEN = Path(__file__).parents[2] / "golden"
FLIGHTS = GOLDEN / "flights"


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_repeats_v1_from_the_seed(tmp_path: Path) -> None:
    code, output = run(
        "train", "--config", FLIGHTS / "flights.yaml", "--parity", "v1",
        "--data", FLIGHTS / "train_first_50_batches.lzo", "--in-order-of", 40000,
        "--steps", 6, "-o", tmp_path / "model", "--losses", tmp_path / "losses.txt", "--json",
    )  # fmt: skip
    assert code == 0
    losses = [float(line) for line in (tmp_path / "losses.txt").read_text().split()]
    recorded = migrate.load_t7(FLIGHTS / "training_trace.t7")["loss"][:6]
    np.testing.assert_allclose(losses, recorded, rtol=1e-5)
    summary = json.loads(output)
    assert summary["steps"] == 6
    assert summary["first"] == losses[0]
    from deepbird_v2.export import RecordModel

    assert RecordModel.load(tmp_path / "model").outputs == ("prediction.score",)


def test_trains_with_tensorflows_noise_from_given_weights(tmp_path: Path) -> None:
    code, output = run(
        "train", "--config", FLIGHTS / "flights_split.yaml",
        "--data", FLIGHTS / "split_train_first_30_batches.lzo",
        "--weights", FLIGHTS / "flights_split_initial.t7", "--steps", 2,
        "-o", tmp_path / "model",
    )  # fmt: skip
    assert code == 0
    assert "2 steps" in output
    with pytest.raises(ValueError, match="exists"):
        run(
            "train", "--config", FLIGHTS / "flights_split.yaml",
            "--data", FLIGHTS / "split_train_first_30_batches.lzo", "--steps", 1,
            "-o", tmp_path / "model",
        )  # fmt: skip


def test_says_what_is_missing(tmp_path: Path) -> None:
    config = FLIGHTS / "flights.yaml"
    with pytest.raises(ValueError, match=r"give some \(--data FILE\)"):
        run("train", "--config", config, "-o", tmp_path / "model")
    code, _ = run("train", "--config", config, "-o", tmp_path / "model", "--parity", "v2")
    assert code == 2
    alone = tmp_path / "alone.yaml"
    alone.write_text(config.read_text())
    with pytest.raises(ValueError, match="--discretizer"):
        run(
            "train", "--config", alone, "--features", FLIGHTS / "features.json",
            "--data", FLIGHTS / "train_first_50_batches.lzo", "-o", tmp_path / "model",
        )  # fmt: skip
    assert not (tmp_path / "model").exists()


def test_verify_commands(tmp_path: Path) -> None:
    case = GOLDEN / "training" / "sgd_plain"
    code, output = run("verify", "training", case, "--report", tmp_path)
    assert code == 0
    assert (tmp_path / "report.html").is_file()
    code, output = run("verify", "gradients", case / "model_init.t7", "--json")
    assert code == 0
    assert json.loads(output)["verdict"]["status"] == "PASS"
