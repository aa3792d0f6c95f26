"""A constructed tree with the weights of the file computes what the file computes."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

import legacy_yaml
from lua_constructors import changed_later, written
from migrate import t7
from migrate.construct import construct
from migrate.construct.objects import array_tensor, make
from migrate.fill import fill, slots
from migrate.graph import build, parameters
from migrate.weights import WeightError
from verify.golden import CHECKS, Case, GoldenPolicy, run_check

MODULES = Path(__file__).parents[2] / "golden" / "modules"


def constructor_of(folder):
    return json.loads((folder / "case.json").read_text("utf-8"))["constructor"]


CASES = sorted(
    path.parent
    for path in MODULES.glob("*/case.json")
    if not changed_later(constructor_of(path.parent))
)
POLICY = GoldenPolicy.load()


def layer(text):
    return construct(legacy_yaml.loads(f"- {text}").model[0])


def from_config(folder):
    """The golden module again: its constructor's object, filled from its file."""
    document = yaml.safe_dump([written(constructor_of(folder))])
    tree = construct(legacy_yaml.loads(document).model[0])
    fill(tree, t7.load(folder / "model.t7"))
    return tree


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_config_and_weights_compute_what_torch_computed(folder):
    case = Case(folder)
    case.module = build(from_config(folder))
    checks = [c for c in CHECKS if c.name.startswith("oracle") and c.applies(case)]
    assert checks
    for check in checks:
        result = run_check(case, check, POLICY)
        assert result.status == "pass", (check.name, result.detail)


FLAT = [
    ("nn.WeightNorm: [{nn.Linear: [2, 3]}]", ["v", "g", "bias"]),
    ("nn.PartialLinear: [2, 3]", ["network.1.2.weight", "bias"]),
    ("nn.MapTable: [{nn.Linear: [2, 3]}]", ["1.weight", "1.bias"]),
    ("nn.LinearWeightNorm: [2, 3]", ["v", "g", "bias"]),
    ("nn.WeightedEuclidean: [2, 3]", ["weight", "diagCov"]),
    ("nn.SpatialContrastiveNormalization: [2]", []),
    ("nn.BatchNormalization: [2]", ["weight", "bias", "running_mean", "running_var"]),
]


@pytest.mark.parametrize(("text", "paths"), FLAT)
def test_what_weights_must_fill(text, paths):
    assert [path for path, _, _ in slots(layer(text))] == paths


@pytest.mark.parametrize("text", [text for text, _ in FLAT])
def test_a_flat_vector_is_in_the_order_of_parameters(text):
    tree = layer(text)
    total = sum(int(np.prod(p.tensor.size)) for p in parameters(build(tree)))
    fill(tree, np.arange(total, dtype=np.float32))
    parts = [p.module.array(p.name).ravel() for p in parameters(build(tree))]
    np.testing.assert_array_equal(np.concatenate([[], *parts]), np.arange(total))


def test_all_holders_of_a_tensor_see_its_weights():
    tree = layer("nn.WeightNorm: [{nn.Linear: [2, 3]}]")
    weights = {"v": np.ones((3, 2)), "g": np.ones((3, 1)), "bias": np.array([1.0, 2, 3])}
    fill(tree, weights)
    assert tree["modules"][1]["bias"] is tree["bias"]
    assert tree["bias"].numpy().tolist() == [1, 2, 3]


def test_buffers_of_a_trained_file_are_no_left_overs():
    trained = layer("nn.Dropout: [0.5]")
    trained.fields["noise"] = array_tensor(np.ones((4, 3)))
    fill(layer("nn.Dropout: [0.5]"), trained)


def test_an_option_that_only_the_file_states_is_taken_over():
    tree, weights = layer("nn.View: [-1]"), layer("nn.View: [-1]")
    weights.fields["numInputDims"] = 2.0
    fill(tree, weights)
    assert tree["numInputDims"] == 2


def test_options_that_the_file_contradicts_are_named():
    with pytest.raises(WeightError, match=r"kW is 3\.0 in the config and 2\.0 in the weights"):
        fill(layer("nn.SpatialMaxPooling: [3, 2]"), layer("nn.SpatialMaxPooling: [2, 2]"))


def test_a_file_of_a_table_that_ran_has_more_copies():
    linear = layer("nn.Linear: [2, 3]")
    ran = layer("nn.MapTable: [{nn.Linear: [2, 3]}]")
    ran["modules"][2] = linear
    tree = layer("nn.MapTable: [{nn.Linear: [2, 3]}]")
    fill(tree, ran)
    assert tree["modules"][2] is linear


def test_an_old_file_may_name_its_statistics_otherwise():
    old = layer("nn.BatchNormalization: [2]")
    old.fields["running_std"] = old.fields.pop("running_var")
    tree = layer("nn.BatchNormalization: [2]")
    fill(tree, old)
    assert "running_var" not in tree
    assert "running_std" in tree


def test_an_old_file_may_keep_kernels_as_matrices():
    old = layer("nn.SpatialConvolution: [2, 3, 4, 5]")
    old.fields["weight"] = array_tensor(np.ones((3, 2 * 4 * 5)))
    tree = layer("nn.SpatialConvolution: [2, 3, 4, 5]")
    fill(tree, old)
    assert tree["weight"].size == (3, 40)


def test_classes_of_other_packages_fit():
    tree = layer("nn.Sequential: {layers: [nn.ReLU]}")
    fill(tree, make("nn.Sequential", {}, make("cudnn.ReLU", {"inplace": True})))
    assert tree["modules"][1].class_name == "nn.ReLU"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.fields.pop("bias"), "bias: missing from the weights"),
        (
            lambda w: w.fields.update(weight=array_tensor(np.ones((3, 5)))),
            r"\(root\)\.weight: the config needs \(3, 2\), the weights have \(3, 5\)",
        ),
    ],
)
def test_a_tree_that_does_not_fit(change, message):
    weights = layer("nn.Linear: [2, 3]")
    change(weights)
    with pytest.raises(WeightError, match=message):
        fill(layer("nn.Linear: [2, 3]"), weights)


def test_a_bias_that_the_config_leaves_out_is_left_over():
    with pytest.raises(WeightError, match=r"bias: left over"):
        fill(layer("nn.Linear: [2, 3, false]"), layer("nn.Linear: [2, 3]"))
