"""A config with its weights is the same tree as the .t7 file, wherever the weights come from."""

import numpy as np
import pytest

from migrate import t7
from migrate.fill import fill
from migrate.from_yaml import load_yaml, skeleton
from migrate.graph import SCRATCH, build, parameters, walk
from migrate.weights import WeightError

FLIGHTS = ("flights", "flights_split")


def facts(module):
    """Everything of a tree that decides what it computes."""
    return [
        (
            m.path,
            m.class_name,
            {name: (t.dtype, m.array(name).tobytes()) for name, t in tensors_of(m)},
        )
        for m in walk(module)
    ]


def tensors_of(module):
    return [(n, t) for n, t in sorted(module.tensors.items()) if t.size and n not in SCRATCH]


@pytest.fixture
def flights(golden):
    return golden / "flights"


@pytest.mark.parametrize("name", FLIGHTS)
def test_same_tree_from_yaml_and_from_t7(flights, name):
    weights = flights / f"{name}.t7"
    assert facts(load_yaml(flights / f"{name}.yaml", weights)) == facts(build(t7.load(weights)))


@pytest.mark.parametrize("name", FLIGHTS)
def test_same_options_from_yaml_and_from_t7(flights, name):
    """What the constructor sets, the file has, too."""
    ours = walk(load_yaml(flights / f"{name}.yaml", flights / f"{name}.t7"))
    for m, n in zip(ours, walk(build(t7.load(flights / f"{name}.t7"))), strict=True):
        skip = ("train", "config", "inplace", "_type")
        assert {k: v for k, v in m.fields.items() if k not in skip}.items() <= n.fields.items()


def dense_config(tmp_path):
    import legacy_yaml

    path = tmp_path / "mlp.yaml"
    path.write_text(
        "model:\n"
        "  - modules.FullDenseLayer: {inputFeatures: 3, outputFeatures: 2, activations: PReLU,"
        " batchNorm: true}\n"
        "  - nn.Linear: [2, 1]\n"
    )
    return path, legacy_yaml.load(path)


DOTTED = {
    "1.1.weight": (2, 3),
    "1.1.bias": (2,),
    "1.2.weight": (2,),
    "1.2.bias": (2,),
    "1.2.running_mean": (2,),
    "1.2.running_var": (2,),
    "1.3.weight": (1,),
    "2.weight": (1, 2),
    "2.bias": (1,),
}


def dotted():
    rng = np.random.default_rng(3)
    return {path: rng.random(shape).astype(np.float32) for path, shape in DOTTED.items()}


def test_weights_by_dotted_path(tmp_path):
    path, _ = dense_config(tmp_path)
    module = load_yaml(path, dotted())
    got = {p.path: p.module.array(p.name) for p in parameters(module)}
    np.testing.assert_array_equal(got["2.Linear.weight"], dotted()["2.weight"])
    np.testing.assert_array_equal(got["1.FullDenseLayer.1.Linear.bias"], dotted()["1.1.bias"])


def test_weights_by_v1s_order_of_names(tmp_path):
    path, _ = dense_config(tmp_path)
    turned = {}
    for key, value in dotted().items():
        position, _, name = key.rpartition(".")
        turned[f"{name}.{position}"] = value
    assert facts(load_yaml(path, turned)) == facts(load_yaml(path, dotted()))


def test_weights_from_a_tensorio_folder(tmp_path):
    from migrate import tensorio

    path, _ = dense_config(tmp_path)
    tensorio.write(tmp_path / "weights", dotted())
    assert facts(load_yaml(path, tmp_path / "weights")) == facts(load_yaml(path, dotted()))


def test_flat_vector_is_in_the_order_of_get_parameters(tmp_path):
    _, config = dense_config(tmp_path)
    tree = skeleton(config)
    # batch normalization's statistics are no parameters, so a flat vector cannot hold them
    total = sum(int(np.prod(p.tensor.size)) for p in parameters(build(tree)))
    fill(tree, np.arange(total, dtype=np.float32))
    flat = np.concatenate([p.module.array(p.name).ravel() for p in parameters(build(tree))])
    np.testing.assert_array_equal(flat, np.arange(total))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("2.bias"), r"2\.bias: missing from the weights"),
        (lambda w: w.update(extra=np.ones(1)), r"extra: left over"),
        (
            lambda w: w.update({"2.weight": np.ones((1, 3), np.float32)}),
            r"2\.weight: the config needs \(1, 2\), the weights have \(1, 3\)",
        ),
        (
            lambda w: w.update({"2.weight": np.ones((1, 2), np.complex64)}),
            r"2\.weight: cannot take complex64",
        ),
    ],
)
def test_weights_that_do_not_fit(tmp_path, change, message):
    path, _ = dense_config(tmp_path)
    weights = dotted()
    change(weights)
    with pytest.raises(WeightError, match=message):
        load_yaml(path, weights)


def test_all_misfits_are_listed_at_once(tmp_path):
    path, _ = dense_config(tmp_path)
    weights = dotted()
    del weights["2.bias"], weights["1.1.bias"]
    with pytest.raises(WeightError) as caught:
        load_yaml(path, weights)
    assert "1.1.bias" in str(caught.value)
    assert "2.bias" in str(caught.value)


def test_a_tree_of_other_classes_does_not_fit(flights, tmp_path):
    text = (
        (flights / "flights.yaml")
        .read_text()
        .replace("activations     : PReLU", "activations: ReLU")
    )
    (tmp_path / "other.yaml").write_text(text)
    with pytest.raises(WeightError, match=r"the config says nn\.ReLU, the weights have nn\.PReLU"):
        load_yaml(tmp_path / "other.yaml", flights / "flights.t7")


def test_an_option_that_differs_is_named(flights, tmp_path):
    text = (flights / "flights.yaml").read_text().replace("dropout         : 0.1", "dropout: 0.2")
    (tmp_path / "other.yaml").write_text(text)
    with pytest.raises(WeightError, match=r"p is 0\.2 in the config and 0\.1 in the weights"):
        load_yaml(tmp_path / "other.yaml", flights / "flights.t7")
