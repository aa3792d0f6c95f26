"""``deepbird codegen`` on the command line."""

import pytest
from typer.testing import CliRunner

from deepbird_cli.main import app

CONFIG = "name: small\nmodel:\n  - nn.Linear: [3, 2]\n  - nn.Tanh\n"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG)
    return path


def codegen(*arguments):
    return CliRunner().invoke(app, ["codegen", *map(str, arguments)])


def test_a_script_is_written(config, tmp_path):
    script = tmp_path / "small.py"
    done = codegen(config, "-o", script)
    assert done.exit_code == 0, done.output
    assert "x = layers.Dense(2)(x)\n    x = ops.tanh(x)\n" in script.read_text()
    assert f"{len(script.read_text().splitlines())} lines" in done.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.py", "small.yaml"]


def test_a_script_is_not_replaced_unless_asked(config, tmp_path):
    script = tmp_path / "small.py"
    script.write_text("mine")
    assert "exists" in str(codegen(config, "-o", script).exception)
    assert script.read_text() == "mine"
    assert codegen(config, "-o", script, "--overwrite").exit_code == 0
    assert "build_model" in script.read_text()


def test_a_failure_leaves_no_script(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text(CONFIG.replace("Linear", "Linaer"))
    done = codegen(path, "-o", tmp_path / "out.py")
    assert isinstance(done.exception, ValueError)
    assert not (tmp_path / "out.py").exists()
