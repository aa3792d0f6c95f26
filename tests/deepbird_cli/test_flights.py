"""The main job on a real v1 model: convert, verify, predict, diff; and when something is wrong."""

import json
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from deepbird_cli.main import app
from deepbird_v2.export import load_keras
from deepbird_v2.folder import FolderError, read_manifest

MODELS = ("flights", "flights_split")


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def converted(flights, tmp_path_factory):
    """Model folders by how they were made: from YAML with weights, and from the .t7 alone."""
    root = tmp_path_factory.mktemp("converted")
    for model in MODELS:
        weights = flights / f"{model}.t7"
        made = run(
            "convert", weights.with_suffix(".yaml"), "--weights", weights, "-o", root / model
        )
        assert made.exit_code == 0, made.output
        made = run("convert", flights / f"{model}.t7", "-o", root / f"{model}.t7")
        assert made.exit_code == 0, made.output
    return root


def verify(flights, folder, report, *more):
    return run("verify", "inference", "--v1", flights / "v1_responses.lzo", "--requests",
               flights / "requests.lzo", "--v2", folder, "--report", report, *more)  # fmt: skip


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


def checks(report):
    return {(c["stage"], c["name"]): c for c in report["verdict"]["checks"]}


@pytest.mark.parametrize(
    ("folder", "outputs"),
    [
        ("flights", {"prediction.score": 2e-6, "prediction.calibrated": 5e-6}),
        ("flights.t7", {"prediction.score": 2e-6, "prediction.calibrated": 5e-6}),
        ("flights_split", {"prediction.split_score": 2e-6}),
        ("flights_split.t7", {"prediction.split_score": 2e-6}),
    ],
)
def test_v2_answers_as_real_torch_did(flights, converted, tmp_path, folder, outputs):
    result = verify(flights, converted / folder, tmp_path / "report")
    assert result.exit_code == 0, result.output
    assert "PASS" in result.output
    found = checks(report_of(tmp_path / "report"))
    assert "2,500 rows joined" in found["join", "rows"]["detail"]
    for name, allowed in outputs.items():
        assert found["values", name]["numbers"]["max_abs"] <= allowed
    assert {p.name for p in (tmp_path / "report").iterdir()} == {
        "report.html", "report.json", "report.md", "junit.xml",
    }  # fmt: skip


def change(model, name, edit):
    """Edit the variable of the layer of that name."""
    variable = next(v for v in model.variables if name in v.path)
    values = variable.numpy()
    edit(values)
    variable.assign(values)


def add(amount, *where):
    def edit(values):
        values[where or ...] += amount

    return edit


# fault: (variable to edit, how, the layer it is in)
FAULTS = {
    "a weight row": ("4.FullDenseLayer.1.Linear/kernel", add(0.1, 3)),
    "a slope": ("3.FullDenseLayer.2.PReLU/", add(0.05)),
    "a bias": ("5.FullDenseLayer.1.Linear/bias", add(0.01)),
    "a bin boundary": ("1.DiscretizerLayer/edges", add(25.0, 2, 7)),
    "a calibration point": ("6.IsotonicLayer/ys", add(0.01, 20)),
}


@pytest.mark.parametrize(("variable", "edit"), FAULTS.values(), ids=FAULTS)
def test_one_changed_number_fails_and_names_the_layer(flights, converted, tmp_path, variable, edit):
    layer = variable.partition("/")[0]
    shutil.copytree(converted / "flights", tmp_path / "v2")
    model = load_keras(tmp_path / "v2" / "model.keras")
    change(model, variable, edit)
    model.save(tmp_path / "v2" / "model.keras")
    result = verify(flights, tmp_path / "v2", tmp_path / "report")
    assert result.exit_code == 1, result.output
    report = report_of(tmp_path / "report")
    assert checks(report)["values", "layers"]["location"] == layer
    assert report["verdict"]["reason"].startswith(f"values: layers: first diverging layer {layer}")
    assert layer in (tmp_path / "report" / "report.html").read_text()


def replace_layer(model, name, make):
    def clone(layer):
        return make(layer) if layer.name == name else layer

    return keras.models.clone_model(model, clone_function=clone)


@keras.saving.register_keras_serializable("deepbird_test")
class AlwaysDropping(keras.layers.Dropout):
    """A dropout that was left on."""

    def call(self, inputs, training=False):
        return super().call(inputs, training=True)


SWAPS = {
    "another activation": ("3.FullDenseLayer.2.PReLU", keras.layers.ReLU, ()),
    "a dropout left on": ("3.FullDenseLayer.3.Dropout", AlwaysDropping, (0.1,)),
}


@pytest.mark.parametrize(("layer", "make", "arguments"), SWAPS.values(), ids=SWAPS)
def test_a_changed_layer_fails_and_is_named(flights, converted, tmp_path, layer, make, arguments):
    shutil.copytree(converted / "flights", tmp_path / "v2")
    model = load_keras(tmp_path / "v2" / "model.keras")
    replace_layer(model, layer, lambda old: make(*arguments, name=old.name)).save(
        tmp_path / "v2" / "model.keras"
    )
    result = verify(flights, tmp_path / "v2", tmp_path / "report")
    assert result.exit_code == 1, result.output
    assert checks(report_of(tmp_path / "report"))["values", "layers"]["location"] == layer


def test_a_changed_source_is_located_against_the_model_beside_the_responses(flights, tmp_path):
    """The conversion is faithful, but what was converted is not what answered."""
    from migrate import t7

    model = t7.load(flights / "flights.t7")
    weight = model["modules"][3]["modules"][1]["weight"]
    values = np.array(weight.storage.data)  # one storage holds the parameters of the whole model
    values[weight.offset + 7] += 0.5
    weight.storage.data = values
    (tmp_path / "changed").mkdir()
    t7.save(tmp_path / "changed" / "flights.t7", model)
    weights = tmp_path / "changed" / "flights.t7"
    made = run("convert", flights / "flights.yaml", "--weights", weights, "-o", tmp_path / "v2")
    assert made.exit_code == 0, made.output
    result = verify(flights, tmp_path / "v2", tmp_path / "report")
    assert result.exit_code == 1, result.output
    location = checks(report_of(tmp_path / "report"))["values", "layers"]["location"]
    assert location == "3.FullDenseLayer.1.Linear"


def test_oracle_answers_the_same_without_tensorflow(flights, tmp_path):
    """In a process that cannot import TensorFlow."""
    out = tmp_path / "v1.parquet"
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        "from deepbird_cli.main import main\n"
        f"sys.argv[1:] = ['predict', {str(flights / 'flights.t7')!r}, "
        f"{str(flights / 'requests.lzo')!r}, '-o', {str(out)!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = json.loads((flights / "features.json").read_text())["predictions"]
    from verify.predictions import load_predictions, named_by_feature

    recorded = named_by_feature(load_predictions(flights / "v1_responses.lzo"), names)
    ours = load_predictions(out)
    for name in ("prediction.score", "prediction.calibrated"):
        np.testing.assert_allclose(
            ours.columns[name].astype(float), recorded.columns[name], rtol=0, atol=2e-6
        )


def test_predictions_of_both_versions_agree_in_a_diff(flights, converted, tmp_path):
    requests = flights / "requests.lzo"
    for name, model in (("v1.parquet", flights / "flights.t7"), ("v2.csv", converted / "flights")):
        assert run("predict", model, requests, "-o", tmp_path / name).exit_code == 0
    assert run("diff", tmp_path / "v1.parquet", tmp_path / "v2.csv").exit_code == 0
    keras_file = run("predict", converted / "flights" / "model.keras", requests,
                     "-o", tmp_path / "v2.lzo")  # fmt: skip
    assert keras_file.exit_code == 0, keras_file.output
    assert run("diff", tmp_path / "v1.parquet", tmp_path / "v2.lzo").exit_code == 0


def test_kill_in_the_middle_of_convert_leaves_nothing_that_loads(flights, tmp_path):
    target = tmp_path / "out" / "flights"
    arguments = ["convert", str(flights / "flights.t7"), "-o", str(target)]
    process = subprocess.Popen(
        [sys.executable, "-m", "deepbird_cli", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (target.parent.exists() and list(target.parent.iterdir())):
        assert process.poll() is None, "convert ended before it wrote anything"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = list(target.parent.iterdir())
    assert left
    assert target not in left
    for folder in left:
        with pytest.raises(FolderError):
            read_manifest(folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("convert", "{tmp}/absent.t7", "-o", "{tmp}/x"), "absent.t7"),
        (("convert", "{flights}/README.md", "-o", "{tmp}/x"), "text"),
        (("convert", "{flights}/flights.yaml", "-o", "{tmp}/x"), "no weights"),
        (("convert", "{flights}/flights_split.t7", "-o", "{tmp}", "--overwrite", "--features",
          "{tmp}/none.json"), "none.json"),
        (("predict", "{tmp}", "{flights}/requests.lzo", "-o", "{tmp}/x.csv"), "not a model folder"),
        (("predict", "{flights}/flights.t7", "{flights}/requests.lzo", "-o", "{tmp}/x.a"), "'.a'"),
        (("inspect", "{flights}/requests.lzo"), "requests.lzo"),
        (("diff", "{flights}/README.md", "{flights}/README.md"), "README.md"),
    ],
)  # fmt: skip
def test_bad_input_is_named_and_nothing_is_written(flights, tmp_path, arguments, message):
    given = [a.format(flights=flights, tmp=tmp_path) for a in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "deepbird_cli", *given], capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
