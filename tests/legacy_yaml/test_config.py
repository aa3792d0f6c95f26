"""What consumers read: the typed config of real documents, and its way back to YAML."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from legacy_yaml import Config, Criterion, Discretizer, Optimization, load, loads

GOLDEN = Path(__file__).parents[2] / "golden"

PUBLISHED = """\
- modules.FullDenseLayer:
    dropout         : 0
    inputFeatures   : 100
    outputFeatures  : 200
    activations     : PReLU
- modules.FullDenseLayer:
    dropout         : 0
    inputFeatures   : 200
    outputFeatures  : 400
    activations     : PReLU
"""


def test_the_published_fragment():
    config = loads(PUBLISHED, name="dir/timelines.yaml")
    assert config.name == "timelines"
    first, second = config.model
    assert first.class_name == second.class_name == "modules.FullDenseLayer"
    assert first.args == {
        "inputFeatures": 100,
        "outputFeatures": 200,
        "activations": ("PReLU",),
        "dropout": 0,
        "bias": True,
        "batchNorm": False,
    }
    assert first.given == {"inputFeatures", "outputFeatures", "activations", "dropout"}
    assert (first.mark.line, first.mark.column, first.path) == (
        1,
        3,
        "model[0].modules.FullDenseLayer",
    )
    assert second.mark.line == 6


def test_flights():
    config = load(GOLDEN / "flights" / "flights.yaml")
    assert (config.name, config.seed, config.metrics) == ("flights", 20190304, ("RCE", "AUC"))
    assert (config.data.format, config.data.compression) == ("DataRecord", "lzo")
    assert config.data.labels == ("label.arrival_delayed",)
    assert {kind: len(names) for kind, names in config.data.features.items()} == {
        "continuous": 16,
        "binary": 2,
        "discrete": 3,
        "string": 5,
        "sparseBinary": 1,
        "sparseContinuous": 1,
    }
    assert config.discretizer == Discretizer("Percentile", num_bins=20, output_bits=12)
    assert [layer.class_name.removeprefix("modules.") for layer in config.model] == [
        "DiscretizerLayer",
        "FullSparseLayer",
        *["FullDenseLayer"] * 3,
        "IsotonicLayer",
    ]
    assert [layer.args.get("dropout") for layer in config.model] == [None, 0, 0.1, 0, 0, None]
    assert config.criterion == Criterion("BCECriterion")
    assert config.optimization == Optimization(
        "adagrad", {"learningRate": 0.05}, batch_size=128, epochs=3, shuffle=True
    )
    assert (config.calibration.type, config.calibration.num_bins) == ("Isotonic", 50)


def test_flights_split():
    config = load(GOLDEN / "flights" / "flights_split.yaml")
    splits = config.model[1].splits
    assert [split.name for split in splits] == ["flight", "aircraft", "weather"]
    assert splits[0].features == (r"^(flight|route)\.",)
    for split in splits:
        sparse, dense = split.layers
        assert (sparse.args["inputBits"], sparse.args["outputFeatures"]) == (12, 24)
        assert (dense.args["inputFeatures"], dense.args["outputFeatures"]) == (24, 16)
    assert splits[1].layers[1].path == (
        "model[1].modules.SplitLayer.splits[1].layers[1].modules.FullDenseLayer"
    )
    assert config.optimization.max_iterations == 250
    assert config.variables == {"width": 24}
    wide = load(GOLDEN / "flights" / "flights_split.yaml", set={"width": "32"})
    assert wide.model[1].splits[2].layers[0].args["outputFeatures"] == 32


@pytest.mark.parametrize("name", ["flights", "flights_split"])
def test_a_dumped_config_loads_to_an_equal_one(name):
    config = load(GOLDEN / "flights" / f"{name}.yaml")
    assert loads(config.dumps()) == config
    assert loads(yaml.safe_dump(config.to_dict())) == config


def test_layers_without_numbers_take_them_from_their_section():
    text = """\
discretizer: {type: MDL, numBins: 9, outputBits: 5}
calibration: {type: Isotonic, numBins: 7}
model: [modules.DiscretizerLayer, modules.IsotonicLayer: ]
"""
    config = loads(text)
    assert [layer.args for layer in config.model] == [
        {"numBins": 9, "outputBits": 5},
        {"numBins": 7},
    ]
    assert not any(layer.given for layer in config.model)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("MSECriterion", Criterion("MSECriterion")),
        ("nn.MSECriterion", Criterion("MSECriterion")),
        ("{type: MSECriterion, sizeAverage: no}", Criterion("MSECriterion", size_average=False)),
        (
            "{type: ClassNLLCriterion, weights: [1, 0.5]}",
            Criterion("ClassNLLCriterion", weights=(1, 0.5)),
        ),
        ("{type: MarginCriterion}", Criterion("MarginCriterion", args={"margin": 1})),
    ],
)
def test_criteria(written, expected):
    assert loads(f"model: [nn.Tanh]\ncriterion: {written}").criterion == expected


@pytest.mark.parametrize(
    ("method", "option"),
    [
        ("sgd", "dampening"),
        ("adagrad", "learningRateDecay"),
        ("adam", "epsilon"),
        ("adamax", "beta2"),
        ("adadelta", "rho"),
        ("rmsprop", "alpha"),
        ("rprop", "etaplus"),
        ("nag", "momentum"),
        ("asgd", "eta0"),
        ("lbfgs", "maxIter"),
        ("cg", "maxEval"),
    ],
)
def test_every_method_keeps_exactly_the_options_it_was_given(method, option):
    value = 3 if option.startswith("max") else 0.5
    text = f"model: [nn.Tanh]\noptimization: {{method: {method}, {option}: {value}}}"
    assert loads(text).optimization == Optimization(method, {option: value})


NAMES = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=8)
SIZES = st.integers(1, 10**6)


@st.composite
def dense_layers(draw):
    widths = draw(st.lists(SIZES, min_size=2, max_size=5))
    layers = []
    for before, after in itertools.pairwise(widths):
        full = {
            "inputFeatures": before,
            "outputFeatures": after,
            "activations": draw(
                st.lists(st.sampled_from(["PReLU", "Tanh", "Sigmoid"]), max_size=2)
            ),
            "dropout": draw(st.floats(0, 1, exclude_max=True)),
            "batchNorm": draw(st.booleans()),
        }
        layers.append(
            draw(
                st.sampled_from(
                    [
                        {"modules.FullDenseLayer": full},
                        {"nn.Linear": [before, after]},
                        {"nn.Sequential": {"layers": [{"nn.Linear": [before, after]}, "nn.Tanh"]}},
                    ]
                )
            )
        )
    return layers


DOCUMENTS = st.fixed_dictionaries(
    {"model": dense_layers()},
    optional={
        "name": NAMES,
        "seed": st.integers(0, 2**53),
        "data": st.fixed_dictionaries(
            {},
            optional={"labels": st.lists(NAMES, max_size=3), "train": st.lists(NAMES, max_size=2)},
        ),
        "optimization": st.fixed_dictionaries(
            {"method": st.just("adam")},
            optional={"learningRate": st.floats(1e-300, 1e300), "epochs": SIZES},
        ),
        "metrics": st.lists(NAMES, max_size=3),
    },
)


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS)
def test_any_config_survives_dump_and_load(document):
    # to_dict knows no placeholders, so a literal one has to be written as such
    text = yaml.safe_dump(document, allow_unicode=True).replace("${", "$${")
    config = loads(text)
    assert isinstance(config, Config)
    again = loads(config.dumps())
    assert again == config
    assert again.to_dict() == config.to_dict()
