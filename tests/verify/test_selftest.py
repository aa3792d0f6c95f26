"""Planted faults are found in the module that has them; unharmed models give no alarm."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import migrate
from deepbird_cli.main import app
from verify.engines.converted import ConvertedEngine
from verify.engines.oracle import OracleEngine
from verify.faults import FAULTS, changed_tree
from verify.golden import Case, GoldenError
from verify.hints import KINDS
from verify.locate import LIMIT, locate
from verify.selftest import Host, Planted, SelfTest, Unharmed, hosts, plant, self_test

# A fault of every sort, each in a model of another shape.
CHOSEN = [
    ("wrong epsilon", "models/mlp_prelu_dropout_bn_logsoftmax", "2.BatchNormalization"),
    ("wrong momentum", "models/resnet_small", "2.SpatialBatchNormalization"),
    ("running statistics swapped", "models/cleared_state", "2.SpatialBatchNormalization"),
    (
        "training mode in evaluation",
        "models/mlp_prelu_dropout_bn_logsoftmax",
        "2.BatchNormalization",
    ),
    ("transposed weight", "models/shared_module_twice", "1.Linear"),
    (
        "a row of the weight changed",
        "models/siamese_shared",
        "1.ParallelTable.1.Sequential.1.Linear",
    ),
    ("flattened channels-last", "models/lenet", "8.Linear"),
    ("lookup off by one", "models/temporal_text_cnn", "1.LookupTable"),
    ("swapped branches", "models/inception_like", "3.Concat"),
    ("concatenation reversed", "models/gmodule_two_in_two_out", "8.JoinTable"),
    ("missing residual", "models/residual_mlp", "2.Sequential.2.CAddTable"),
    ("padding behind only", "models/autoencoder_fullconv", "1.SpatialConvolution"),
    ("wrong stride", "modules/SpatialMaxPooling", "2.SpatialMaxPooling"),
    ("wrong k of LRN", "modules/SpatialCrossMapLRN", "2.SpatialCrossMapLRN"),
    ("values read in another order", "models/lenet", "7.View"),
]


def named(name):
    return next(fault for fault in FAULTS if fault.name == name)


@pytest.mark.parametrize(("name", "case", "path"), CHOSEN, ids=[name for name, _, _ in CHOSEN])
def test_a_planted_fault_is_found_and_named(golden, name, case, path):
    host, fault = Host(Case(golden / case)), named(name)
    places = {module.path: (module, changed) for module, changed in host.modules(fault)}
    result = plant(host, fault, *places[path])
    assert result is not None
    assert (result.found, result.named.partition("#")[0]) == (True, path), result
    assert result.right, result
    assert result.kind in KINDS


@pytest.mark.parametrize(
    "case",
    ["resnet_small", "gmodule_two_in_two_out", "siamese_shared", "index_first", "inception_like"],
)
def test_no_alarm_on_an_unharmed_model(golden, case):
    case = Case(golden / "models" / case)
    located = locate(
        OracleEngine(case.module, None, {}), ConvertedEngine(case.converted), case.inputs
    )
    assert located.fault is None
    assert located.layers.layers
    assert all((layer.local or 0.0) < LIMIT / 4 for layer in located.layers.layers)


def test_a_step_of_training_leaves_the_model_as_it_was(golden):
    case = Case(golden / "models/cleared_state")
    engine = ConvertedEngine(case.converted)
    before = engine.parameters()
    locate(OracleEngine(case.module, None, {}), engine, case.inputs)
    after = engine.parameters()
    assert all((before[path] == after[path]).all() for path in before)


def test_a_layer_that_v2_lost_is_named_when_nothing_else_differs(golden):
    """Both branches of a sum give the same; v2 has only one of them, doubled by nobody."""
    case = Case(golden / "models/residual_mlp")
    v1 = OracleEngine(case.module, None, {})
    engine = ConvertedEngine(case.converted)
    lost = "3.Sequential.1.ConcatTable.1.Sequential.2.Tanh"
    seam = engine.seams[lost]
    gone = replace(seam.gives, operation="gone")
    engine.seams = engine.seams | {lost: replace(seam, gives=gone)}
    fault = locate(v1, engine, case.inputs).fault
    assert fault is not None
    assert fault.path == lost
    assert "cannot be run alone" in fault.cause


def test_shared_modules_stay_shared_in_a_changed_tree(golden):
    module = Case(golden / "models/shared_module_twice").module
    first = module.children[0]
    tree = changed_tree(module, first.path, replace(first, fields={"new": 1}))
    assert tree.children[0] is tree.children[2]
    assert tree.children[0].fields == {"new": 1}
    assert module.children[0] is first


def test_a_fault_that_no_input_shows_is_not_planted(golden):
    """Swapping statistics is planted where they differ; here no module has any."""
    host = Host(Case(golden / "models/lenet"))
    assert list(host.modules(named("running statistics swapped"))) == []


def test_every_fault_names_known_kinds_and_is_unique():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert all(fault.kinds <= set(KINDS) and fault.kinds for fault in FAULTS)


def test_every_golden_model_can_be_a_host(golden):
    models, modules = hosts(golden)
    assert {host.case.name for host in models} >= {
        case for _, case, _ in CHOSEN if "models" in case
    }
    assert len(modules) > 200


# --- the command --------------------------------------------------------------------------


def test_the_command(golden, tmp_path):
    out = tmp_path / "out.json"
    options = ["--fault", "LeakyReLU", "--places", "1", "--json", str(out)]
    folder = golden / "models/cleared_state"
    result = CliRunner().invoke(app, ["verify", "self-test", str(folder), *options])
    assert result.exit_code == 0, result.output
    assert "wrong slope of LeakyReLU" in result.stdout
    assert "1 unharmed models, 0 false alarms" in result.stdout
    data = json.loads(out.read_text())
    assert data["status"] == "pass"
    assert [p["path"] for p in data["planted"]] == ["3.LeakyReLU"]


def test_an_unknown_fault_is_a_usage_error(golden):
    result = CliRunner().invoke(app, ["verify", "self-test", str(golden), "--fault", "gremlin"])
    assert result.exit_code == 2


def test_a_folder_without_cases(tmp_path):
    with pytest.raises(GoldenError, match="no golden case"):
        self_test(tmp_path)


FOUND = Planted("f", "models/a", "1.X", True, "1.X#2", "scale", "c", True)


@pytest.mark.parametrize(
    ("matrix", "passed"),
    [
        (SelfTest((FOUND,), (Unharmed("models/a"),), ()), True),
        (SelfTest((replace(FOUND, right=False),), (), ()), True),  # the cause is not required
        (SelfTest((replace(FOUND, found=False, named=""),), (), ()), False),
        (SelfTest((replace(FOUND, named="2.Y"),), (), ()), False),
        (SelfTest((FOUND,), (Unharmed("models/a", "1.X"),), ()), False),
        (SelfTest((FOUND,), (), ("g",)), False),
        (SelfTest((), (), ()), False),
    ],
)
def test_when_a_self_test_passes(matrix, passed):
    assert matrix.passed is passed
    assert matrix.lines()[-1] == ("PASS" if passed else "FAIL")


def test_what_cannot_be_converted_is_not_planted(golden, monkeypatch):
    host, fault = Host(Case(golden / "models/lenet")), named("dropped bias")
    module, changed = next(host.modules(fault))

    def refuse(*_arguments, **_options):
        raise ValueError("no")

    monkeypatch.setattr(migrate, "convert", refuse)
    assert plant(host, fault, module, changed) is None


def test_a_module_that_calls_itself_is_compared_once(golden):
    """nn.FlattenTable flattens tables in tables by itself."""
    host = Host(Case(golden / "modules/FlattenTable"))
    assert [path for path in host.trace if "FlattenTable" in path] == ["2.FlattenTable"]
    converted = migrate.convert(host.module, example_inputs=host.case.inputs)
    v1 = OracleEngine(host.module, None, {})
    assert locate(v1, ConvertedEngine(converted), host.case.inputs).fault is None
