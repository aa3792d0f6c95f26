"""A layer of a config becomes what Torch's constructor made: class, fields, tensors, children."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

import legacy_yaml
from legacy_yaml import build_registry
from lua_constructors import changed_later, written
from migrate import t7
from migrate.construct import ConstructError, construct, constructible
from migrate.t7.objects import Storage, Table, Tensor, TorchObject

MODULES = Path(__file__).parents[2] / "golden" / "modules"
CASES = sorted(path.parent.name for path in MODULES.glob("*/case.json"))

# What forward, backward and training leave behind, and buffers that wait for them.
SCRATCH = {
    "_gradBuffer", "_gradMask", "_maskIndexBuffer", "_maskIndexBufferCPU", "_maskIndices", "_norm",
    "_scale", "_type", "backwardSetup", "batchSize", "batchsize", "cumSumSizes", "cumSumSizesCache",
    "diff", "gradBias", "gradDiagCov", "gradG", "gradInput", "gradInputEl", "gradMaxVals", "gradV",
    "gradWeight", "gradWeightBuffer", "indices", "input_map", "isFlat", "keys",
    "lkeys", "lvalues", "loss", "mask", "maxIdx", "maxVals", "minIdx", "minVals", "noBatch",
    "noise", "normalizedValues", "numBwds", "numFwds", "ones", "output", "running",
    "save_mean", "save_std", "size2", "sizes", "sizesCache", "summedBwdTime", "summedFwdTime",
    "timer", "train", "values", "valuesBuffer", "finput", "fgradInput",
}  # fmt: skip

# Fields that are buffers in one class and options in another.
SCRATCH_OF = {
    "nn.Concat": {"outputSize"},
    "nn.DepthConcat": {"outputSize"},
    "nn.JoinTable": {"size"},
    "nn.LinearWeightNorm": {"norm", "scale", "weight"},
    "nn.MixtureTable": {"size"},
    "nn.NaN": {"id"},  # a number that counts the modules of the process
    "nn.Padding": {"outputSize"},
    "nn.SpatialUpSamplingBilinear": {"inputSize", "outputSize"},
    "nn.SpatialUpSamplingNearest": {"inputSize", "outputSize"},
    "nn.UpSampling": {"inputSize", "outputSize"},
}

# Cases whose module Lua changed by a method after its constructor, which YAML cannot say.
NOT_A_CONSTRUCTOR = {
    "LookupTable_scalegradbyfreq": "scaleGradByFreq()",
    "PartialLinear_partition": "setPartition()",
    "SpatialAveragePooling_ceil": "ceil()",
    "SpatialAveragePooling_ceil_excludepad": "ceil(), setCountExcludePad()",
    "SpatialAveragePooling_nodivide": "divide = false",
    "SpatialAveragePooling_pad_excludepad": "setCountExcludePad()",
    "SpatialConvolutionMM_nobias": "noBias()",
    "SpatialConvolution_nobias": "noBias()",
    "SpatialDilatedConvolution_nobias": "noBias()",
    "SpatialDilatedMaxPooling_ceil": "ceil()",
    "SpatialFullConvolution_stride_asym": "noBias()",
    "SpatialMaxPooling_ceil": "ceil()",
    "SpatialMaxPooling_ceil_pad": "ceil()",
    "View_numInputDims": "setNumInputDims()",
    "VolumetricConvolution_nobias": "noBias()",
    "VolumetricMaxPooling_ceil_pad": "ceil()",
}


def case_of(name):
    return json.loads((MODULES / name / "case.json").read_text("utf-8"))


def built(document):
    """The object of a document of one layer."""
    return construct(legacy_yaml.loads(yaml.safe_dump([document])).model[0])


def facts(obj):
    """Class, then every field that is no scratch: shapes of tensors, values of the rest."""
    ignored = SCRATCH | SCRATCH_OF.get(obj.class_name, set())
    fields = {k: fact(v) for k, v in obj.fields.items() if k not in ignored}
    return (obj.class_name, fields)


def fact(value):
    match value:
        case Tensor():
            return ("tensor", value.size)
        case Storage():
            return ("storage", value.data.tolist())
        case Table():
            return {k: fact(v) for k, v in value.items()}
        case TorchObject():
            return facts(value)
        case float():
            return float(np.float32(value))  # torch.sqrt computes in the type of the case's tensors
    return value


@pytest.mark.parametrize("name", [n for n in CASES if n not in NOT_A_CONSTRUCTOR])
def test_the_object_is_what_torchs_constructor_made(name):
    assert facts(built(written(case_of(name)["constructor"]))) == facts(
        t7.load(MODULES / name / "model.t7")
    )


def test_every_exception_is_one():
    later = {name for name in CASES if changed_later(case_of(name)["constructor"])}
    assert later == NOT_A_CONSTRUCTOR.keys()


def test_every_class_of_the_dialect_can_be_built():
    assert set(build_registry().names()) == constructible()


def tensors(obj, path=""):
    """Path → array of every tensor, buffers apart."""
    ignored = SCRATCH | SCRATCH_OF.get(obj.class_name, set())
    found = {}
    for key, value in obj.fields.items():
        if isinstance(value, Tensor) and key not in ignored:
            found[f"{path}{key}"] = value.numpy()
        elif isinstance(value, TorchObject):
            found |= tensors(value, f"{path}{key}.")
        elif isinstance(value, Table) and key == "modules":
            for position, child in value.items():
                found |= tensors(child, f"{path}{int(position)}.")
    return found


# Classes whose tensors the constructor computes from its arguments.
COMPUTED = {
    "Constant": ["value"],
    "Constant_tensor": ["value"],
    "PartialLinear": ["allcolumns", "partition"],
    "SpatialConvolutionMap_full_stride": ["connTable"],
    "SpatialFullConvolutionMap": ["connTable"],
    "SpatialContrastiveNormalization": ["kernel", "weight", "bias"],
    "SpatialDivisiveNormalization": ["kernel", "weight", "bias"],
    "SpatialSubtractiveNormalization": ["kernel", "weight", "bias"],
    "SpatialSubtractiveNormalization_1d": ["kernel", "weight", "bias", "connTable"],
    "Add": ["_ones"],
}


@pytest.mark.parametrize("name", COMPUTED)
def test_tensors_that_the_constructor_computes(name):
    ours = tensors(built(written(case_of(name)["constructor"])))
    theirs = tensors(t7.load(MODULES / name / "model.t7"))
    wanted = [path for path in theirs if path.rpartition(".")[2] in COMPUTED[name]]
    assert {path.rpartition(".")[2] for path in wanted} == set(COMPUTED[name])
    for path in wanted:
        np.testing.assert_array_equal(ours[path], theirs[path].astype(np.float32), path)


CONSTANTS = [
    ("nn.PReLU: [3]", "weight", 0.25),
    ("nn.BatchNormalization: [3]", "running_mean", 0),
    ("nn.SpatialBatchNormalization: [3]", "running_var", 1),
    ("nn.LayerNormalization: [3, 0.5]", "5.weight", 1),
    ("nn.LayerNormalization: [3, 0.5]", "6.bias", 0.5),
    ("nn.WeightedEuclidean: [2, 3]", "diagCov", 1),
    ("nn.Linear: [2, 3]", "weight", 0),
]


@pytest.mark.parametrize(("text", "path", "value"), CONSTANTS)
def test_constant_initial_values_are_torchs(text, path, value):
    found = tensors(construct(legacy_yaml.loads(f"- {text}").model[0]))[path]
    assert np.unique(found).tolist() == [value]


def test_a_normalizing_sparse_layer_is_torchs_index_linear():
    layer = "modules.FullSparseLayer: {inputFeatures: 22, outputFeatures: 3, normalize: true}"
    (index_linear,) = construct(legacy_yaml.loads(f"- {layer}").model[0])["modules"].values()
    golden = t7.load(MODULES / "IndexLinear_normalize" / "model.t7")
    assert facts(index_linear) == facts(golden)
    assert {"offset", "normalize", "inputSize", "outputSize"} <= index_linear.fields.keys()


def test_an_unpooling_keeps_the_pooling_of_the_model():
    model = built(written(case_of("SpatialMaxUnpooling")["constructor"]))
    pool, _, unpool = model["modules"].values()
    assert unpool["pooling"] is pool


def test_a_wrapped_weight_is_left_to_its_norm():
    text = "- nn.WeightNorm: [{nn.SpatialFullConvolution: [2, 3, 5, 4]}, 2]"
    norm = construct(legacy_yaml.loads(text).model[0])
    inner = norm["modules"][1]
    assert "weight" not in inner
    assert inner["bias"] is norm["bias"]
    assert norm["v"].size == (3, 2 * 4 * 5)
    assert norm["viewOut"].data.tolist() == [3, 2, 4, 5]
    assert norm["weightSize"].data.tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nn.WeightNorm: [nn.Tanh]", r"config\.yaml.*nn\.Tanh has no weight"),
        ("nn.WeightNorm: [{nn.Linear: [2, 3]}, 3]", "no weight with a dimension 3"),
        ("nn.View: [-1, -1]", "only one size can be -1"),
        ("nn.SpatialFractionalMaxPooling: [2, 2, 3, 0.5]", "sizes of at least 1, or ratios"),
        ("nn.SpatialSubtractiveNormalization: [1, [[1, 1], [1, 1]]]", "odd size"),
        ("nn.SpatialConvolutionMap: [[1, 2, 3], 3, 3]", "list of pairs"),
        ("nn.SpatialConvolutionLocal: [1, 1, 2, 2, 3, 3]", "larger than the input"),
        ("nn.SpatialMaxUnpooling: [{nn.SpatialMaxPooling: [2, 2]}]", "which is not before it"),
        ("nn.Copy: [torch.FloatTensor, torch.OddTensor]", "is no tensor type"),
        ("modules.FullSparseLayer: {inputBits: 63, outputFeatures: 9}", "is too large"),
    ],
)
def test_what_cannot_be_built_is_said_with_its_place(text, message, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(f"model:\n- {text}\n")
    layer = legacy_yaml.load(path).model[0]
    with pytest.raises(ConstructError, match=message) as caught:
        construct(layer)
    assert re.search(r"config\.yaml:2:\d+: model\[0\]\.", str(caught.value))
