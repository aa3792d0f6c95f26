"""The discretizer commands, end to end on recorded flights."""

import json

import pytest
from typer.testing import CliRunner

from deepbird_cli.main import app
from deepbird_v2.data import FeatureKind, decode_batch, read_records
from migrate.discretizer import load_discretizer
from migrate.records import find_features

BITS = ["--output-bits", "12"]


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def done(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_import_show_diff_and_verify(flights, tmp_path):
    state = tmp_path / "v1.json"
    done("discretizer", "import", flights / "flights.t7", "-o", state)
    assert "weather.precip" in done("discretizer", "show", state)
    assert "edges" in done("discretizer", "show", state, "--feature", "weather.precip")
    assert "every known value keeps its id" in done(
        "discretizer", "diff", flights / "flights.t7", state
    )
    verified = ("verify", "discretizer", flights / "flights.t7", state)
    data = ("--data", flights / "requests.lzo")
    report = json.loads(done(*verified, *data, "--json"))
    assert report["verdict"]["status"] == "PASS"
    done("discretizer", "import", flights / "flights.t7", "--float32", "-o", state)
    failed = run(*verified, *data, "--report", tmp_path / "report")
    assert failed.exit_code == 1
    assert "weather.wind_speed" in failed.output
    assert (tmp_path / "report" / "report.html").is_file()
    assert run("discretizer", "diff", flights / "flights.t7", state).exit_code == 1


def test_keys_of_sparse_features_have_bins_where_asked_for(flights, tmp_path):
    dense, both = tmp_path / "dense.json", tmp_path / "both.json"
    done("discretizer", "fit", flights / "requests.lzo", *BITS, "-o", dense)
    done("discretizer", "fit", flights / "requests.lzo", *BITS, "--sparse", "-o", both)
    known = [{f.feature for f in load_discretizer(path).features} for path in (dense, both)]
    records = read_records(flights / "requests.lzo")
    batch = decode_batch(records, find_features(flights / "requests.lzo"))
    sparse = set(batch.key[batch.kind == FeatureKind.SPARSE_CONTINUOUS].tolist())
    assert sparse
    assert known[1] == known[0] | sparse


def test_shards_merge_to_the_bytes_of_one_run(flights, tmp_path):
    files = [flights / n for n in ("requests.lzo", "train_first_50_batches.lzo")]
    shards = []
    for at, file in enumerate(files):
        shards.append(tmp_path / f"{at}.collection")
        done("discretizer", "fit", file, "--collect-only", "-o", shards[-1])
    whole, merged, again = (tmp_path / f"{n}.json" for n in ("whole", "merged", "again"))
    fit = ["discretizer", "fit", *files, *BITS]
    done(*fit, "-o", whole)
    names = ["--features", flights / "features.json"]
    for order in (shards, shards[::-1]):
        done("discretizer", "merge", *order, *BITS, *names, "-o", merged)
        assert merged.read_bytes() == whole.read_bytes()
    done(*fit, "--prior", whole, "--refine", "-o", again)
    assert again.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "{requests}", "--refine", "-o", "x"], "give --prior"),
        (
            ["fit", "{requests}", "--features", "{config}", "--method", "mld", "-o", "x"],
            "there are",
        ),
        (["show", "{state}", "--feature", "nobody"], "no feature 'nobody'"),
    ],
)
def test_refuses_with_one_clear_error(arguments, message, flights, tmp_path):
    places = {
        "requests": flights / "requests.lzo",
        "config": flights / "features.json",
        "state": flights / "flights.t7",
    }
    result = run("discretizer", *(a.format(**places) for a in arguments))
    assert result.exit_code != 0
    assert message in result.output + str(result.exception)
