"""``deepbird inspect``: the canonical dump of every golden file, and what people see."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deepbird_cli.main import app

IO = Path(__file__).parents[2] / "golden" / "io"
DUMPS = [
    (case.parent / name, expected)
    for case in sorted(IO.glob("*/expected.json"))
    for name, expected in json.loads(case.read_text()).items()
]
CORRUPTED = json.loads((IO / "corrupted" / "case.json").read_text())["corrupted"]
# Intact as far as it is read: what follows the object is noted.
LOADS = {"18_trailing_garbage.t7"}


def inspect(*arguments):
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)])


def test_every_golden_file_is_looked_at():
    assert len(DUMPS) > 100


@pytest.mark.parametrize(
    ("file", "expected"), DUMPS, ids=[str(file.relative_to(IO)) for file, _ in DUMPS]
)
def test_dump_is_what_torch_loads(file, expected):
    result = inspect(file, "--dump")
    assert result.exit_code == 0, result.exception
    assert json.loads(result.output) == expected


@pytest.mark.parametrize("name", sorted(set(CORRUPTED) - LOADS))
def test_each_corrupted_file_gets_one_clear_error(name):
    mode = CORRUPTED[name]["mode"]
    result = inspect(IO / "corrupted" / name, "--mode", mode)
    assert isinstance(result.exception, ValueError)
    message = str(result.exception)
    assert name in message
    assert "byte " in message
    assert ";" in message, "no next step"


def test_trailing_bytes_are_noted():
    result = inspect(IO / "corrupted" / "18_trailing_garbage.t7")
    assert result.exit_code == 0
    assert "note: 13 bytes follow" in result.output


def test_tree_of_a_model(golden):
    result = inspect(golden / "flights" / "flights.t7")
    assert "198,772 parameters" in result.output
    assert (
        "2.FullSparseLayer.1.SparseLinear [nn.SparseLinear] weight 48×4096, bias 48"
        in result.output
    )
    assert "every class has a converter" in result.output


def test_summary_for_machines(golden):
    summary = json.loads(inspect(golden / "flights" / "flights.t7", "--json").output)
    assert summary["models"][0]["parameters"] == 198772
    assert summary["models"][0]["without_converter"] == {}


def test_classes_without_a_converter_are_listed_with_their_paths(tmp_path):
    from migrate import t7

    layer = t7.TorchObject("my.Layer", 1, t7.Table(train=False))
    model = t7.TorchObject("nn.Sequential", 1, t7.Table(modules=t7.Table({1: layer, 2: layer})))
    t7.save(tmp_path / "m.t7", t7.Table(model=model, epoch=3.0))
    result = inspect(tmp_path / "m.t7")
    assert "nn.Sequential at model" in result.output
    assert "my.Layer: 1 at 1.Layer" in result.output


def test_yaml_is_shown_expanded(golden):
    result = inspect(golden / "flights" / "flights_split.yaml")
    assert result.exit_code == 0
    assert "inputFeatures: 24" in result.output


HEAVY = {"tensorflow", "keras", "numpy"}


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], HEAVY),
        (["convert", "--help"], HEAVY),
        (["inspect", "--classes"], HEAVY - {"numpy"}),
    ],
)
def test_light_commands_import_nothing_heavy(arguments, unwanted):
    code = (
        "import sys\n"
        "from deepbird_cli.main import main\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        f"    assert not {unwanted!r} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout
