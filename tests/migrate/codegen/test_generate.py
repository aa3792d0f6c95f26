"""A generated script builds the converted model again: same weights, same outputs, bit for bit."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import migrate
from migrate.codegen import CodegenError, generate
from migrate.converter import convert
from migrate.feed import feed, to_numpy
from migrate.records import find_features

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "golden"
MODELS = sorted(path.parent.name for path in (GOLDEN / "models").glob("*/model.t7"))

# One module of each kind of code: shared slices, nested inputs, constants, layers inside layers.
MODULES = [
    "Bottle", "Concat", "ConcatTable", "FlattenTable", "LinearWeightNorm", "MapTable",
    "Narrow_neg", "ParallelTable", "PixelShuffle", "SparseLinear_table", "SpatialConvolutionMap",
    "SpatialFullConvolution_stride_asym", "SpatialContrastiveNormalization", "ZipTable",
]  # fmt: skip


def run(text):
    """The names that a script defines."""
    names = {"__name__": "script"}
    exec(compile(text, "script.py", "exec"), names)
    return names


def same_outputs(script, converted, inputs, scratch):
    """The script's model with the converted weights gives the converted model's outputs."""
    names = run(script)
    model = names["build_model"]()
    converted.model.save(scratch / "model.keras")
    names["load_weights"](model, scratch)
    fed = feed(converted.plan, inputs)
    ours, theirs = (
        keras.tree.flatten(to_numpy(m(fed, training=False))) for m in (model, converted.model)
    )
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder for the scripts that the tests of this file make; in the end they are linted."""
    folder = tmp_path_factory.mktemp("scripts")
    yield folder
    assert list(folder.glob("*.py"))
    for command in (["check"], ["format", "--check", "--diff"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--config", str(ROOT / "pyproject.toml")]
        done = subprocess.run([*ruff, str(folder)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning")
@pytest.mark.parametrize(
    "case", [*(f"models/{name}" for name in MODELS), *(f"modules/{name}" for name in MODULES)]
)
def test_scripts_of_t7_files_give_the_same_outputs(case, tmp_path, written):
    source, inputs = GOLDEN / case / "model.t7", migrate.load_t7(GOLDEN / case / "input.t7")
    script = generate(source, example_inputs=inputs)
    (written / f"{Path(case).name}.py").write_text(script)
    same_outputs(script, convert(source, inputs), inputs, tmp_path)


def records(converted, rows=5, seed=3):
    """Random decoded records: known and unknown keys."""
    rng = np.random.default_rng(seed)
    ids = np.array([f.id for f in converted.features.features])
    widths = rng.integers(0, 9, rows)
    columns = {
        "key": [rng.choice(ids, n) for n in widths],
        "value": [rng.normal(size=n) for n in widths],
        "field": [rng.choice(ids, n) for n in widths],
    }
    taken = [tensor.name for tensor in keras.tree.flatten(converted.model.inputs)]
    splits = np.concatenate([[0], np.cumsum(widths)])
    return {name: ragged(np.concatenate(columns[name]), splits) for name in taken}


def ragged(values, splits):
    import tensorflow as tf

    return tf.RaggedTensor.from_row_splits(values, splits)


@pytest.mark.parametrize("name", ["flights", "flights_split"])
def test_scripts_of_configs_give_the_same_outputs(name, tmp_path, written):
    folder = GOLDEN / "flights"
    source, weights = folder / f"{name}.yaml", folder / f"{name}.t7"
    converted = convert(source, weights=weights)
    script = generate(source, weights)
    (written / f"{name}.py").write_text(script)
    names = run(script)
    assert names["FEATURES"] == converted.features
    model = names["build_model"]()
    converted.model.save(tmp_path / "model.keras")
    names["load_weights"](model, tmp_path / "model.keras")
    for seed in range(3):
        batch = records(converted, seed=seed)
        np.testing.assert_array_equal(model(batch), converted.model(batch))


def test_a_split_network_of_a_t7_file_names_its_features(tmp_path, written):
    source = GOLDEN / "flights" / "flights_split.t7"
    converted, script = convert(source, features=find_features(source)), generate(source)
    (written / "split_t7.py").write_text(script)
    assert '"aircraft.seats"' in script
    names = run(script)
    model = names["build_model"]()
    converted.model.save(tmp_path / "model.keras")
    names["load_weights"](model, tmp_path)
    batch = records(converted)
    np.testing.assert_array_equal(model(batch), converted.model(batch))


def test_a_split_network_is_one_loop_over_its_branches():
    script = generate(GOLDEN / "flights" / "flights_split.yaml")
    assert (
        "    for branch in SparsePartition([split.ids for split in FEATURES.splits])(x, field):\n"
        "        branch = FullSparse(24)(branch)\n"
        "        branch = PReLU()(branch)\n"
        "        branch = layers.Dense(16)(branch)\n"
        "        branch = PReLU()(branch)\n"
        "        branches.append(branch)\n"
        "    x = ops.concatenate(branches, axis=1)\n"
    ) in script


def test_a_config_that_says_how_to_train_gives_a_training_script():
    script = generate(GOLDEN / "flights" / "flights.yaml")
    assert "return binary_cross_entropy(output, target)" in script
    assert "optimizer = Adagrad(0.05)\n" in script
    assert "batch_size=128, shuffle=True, seed=20190304" in script
    assert "network.fit(dataset, epochs=3, shuffle=False)" in script
    phases = re.findall(r"# Phase (\d)", script)
    assert phases == ["1", "2", "3"]


# keras 3.15 says so at the end of the first pass over any dataset that does not know its length
@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_a_training_script_trains(tmp_path):
    folder = GOLDEN / "flights"
    source, weights = folder / "flights.yaml", folder / "flights.t7"
    script = generate(source, weights)
    names = run(script.replace("epochs=3", "epochs=1, verbose=0"))
    model = names["build_model"]()
    convert(source, weights=weights).model.save(tmp_path / "model.keras")
    names["load_weights"](model, tmp_path)
    before = [w.numpy() for w in model.trainable_weights]
    names["train"](model, [folder / "train_first_50_batches.lzo"])
    after = [w.numpy() for w in model.trainable_weights]
    assert all(np.isfinite(w).all() for w in after)
    assert all((a != b).any() for a, b in zip(after, before, strict=True))


# --- depth -------------------------------------------------------------------------------------


def deep_config(path, sizes):
    """The published example, as deep as wished: one FullDenseLayer after the other."""
    rows = "".join(
        "  - modules.FullDenseLayer:\n"
        "      dropout         : 0\n"
        f"      inputFeatures   : {a}\n"
        f"      outputFeatures  : {b}\n"
        "      activations     : PReLU\n"
        for a, b in itertools.pairwise(sizes)
    )
    path.write_text(f"name: {path.stem}\nmodel:\n{rows}")
    return path


DEEP = """\
    inputs = x = keras.Input((100,), name="input")
    for units in {values}:
        x = layers.Dense(units)(x)
        x = PReLU()(x)
    return keras.Model(inputs, x, name="deep")
"""
SIZES = {
    "alternating": ([100] + [200, 400] * 76, "[200, 400] * 76"),
    "stages": ([100] + [64] * 80 + [32] * 72, "(*[64] * 80, *[32] * 72)"),
    "few": ([100, 200, 400, 200], "(200, 400, 200)"),
}


@pytest.mark.parametrize("name", SIZES)
def test_many_layers_are_a_loop_over_their_sizes(name, tmp_path, written):
    sizes, values = SIZES[name]
    script = generate(deep_config(tmp_path / "deep.yaml", sizes))
    (written / f"{name}.py").write_text(script)
    assert DEEP.format(values=values) in script
    assert len(script.splitlines()) < 40


def test_152_equal_layers_are_a_few_lines(tmp_path, written):
    script = generate(deep_config(tmp_path / "deep.yaml", [100] * 153))
    (written / "equal.py").write_text(script)
    assert (
        DEEP.format(values="range(152)").replace("units)", "100)").replace("units", "_") in script
    )
    assert len(script.splitlines()) < 40


def test_a_deep_script_gives_the_same_outputs(tmp_path):
    config = deep_config(tmp_path / "deep.yaml", [6] + [5, 7] * 20)
    rng = np.random.default_rng(5)
    from legacy_yaml import load
    from migrate.from_yaml import skeleton
    from migrate.graph import build, parameters

    total = sum(p.tensor.numpy().size for p in parameters(build(skeleton(load(config)))))
    weights = rng.normal(size=total).astype(np.float32)
    converted = convert(config, weights=weights)
    same_outputs(generate(config), converted, rng.normal(size=(4, 6)).astype("f4"), tmp_path)


def test_sizes_without_a_pattern_are_packed(tmp_path, written):
    rng = np.random.default_rng(1)
    script = generate(deep_config(tmp_path / "deep.yaml", rng.integers(100, 999, 153).tolist()))
    (written / "packed.py").write_text(script)
    assert "# fmt: skip" in script
    assert len(script.splitlines()) < 55


RESIDUAL = """\
name: residual
model:
  - nn.Linear: [3, 8]
{layers}
  - nn.Linear: [8, 2]
"""
BLOCK = (
    "  - modules.ResidualLayer: {layers: [{nn.Linear: [8, %d]}, nn.Tanh, {nn.Linear: [%d, 8]}]}\n"
)


def test_residual_blocks_are_a_loop(tmp_path, written):
    layers = "".join(BLOCK % (n, n) for n in (5, 6, 7))
    path = tmp_path / "residual.yaml"
    path.write_text(RESIDUAL.format(layers=layers))
    script = generate(path)
    (written / "residual.py").write_text(script)
    assert (
        "    for units in (5, 6, 7):\n"
        "        y = layers.Dense(units)(x)\n"
        "        y = ops.tanh(y)\n"
        "        y = layers.Dense(8)(y)\n"
        "        x = ops.add(y, x)\n"
    ) in script


# --- refusals, and form ------------------------------------------------------------------------


def test_what_has_no_readable_form_is_listed():
    case = GOLDEN / "modules" / "WeightNorm_SpatialConvolution"
    inputs = migrate.load_t7(case / "input.t7")
    with pytest.raises(CodegenError, match=r"WeightNorm \[WeightNormalization\]: was not made"):
        generate(case / "model.t7", example_inputs=inputs)


CONFIG = """\
name: small
data: {format: DataRecord, labels: [y], features: {continuous: [a, b]}}
discretizer: {type: Percentile, numBins: 3, outputBits: 4}
model:
  - modules.DiscretizerLayer: {numBins: 3, outputBits: 4}
  - modules.FullSparseLayer: {inputBits: 4, outputFeatures: 1, activations: Sigmoid}
criterion: {type: %s}
optimization: {method: %s, batchSize: 4, epochs: 1%s}
"""


@pytest.mark.parametrize(
    ("criterion", "method", "options", "code"),
    [
        ("BCECriterion", "sgd", ", learningRate: 0.5, momentum: 0.9", "SGD(0.5, momentum=0.9)"),
        ("MSECriterion", "adam", "", "Adam()"),
        ("MSECriterion", "adadelta", ", eps: 0.1", "Adadelta(epsilon=0.1)"),
        ("MSECriterion", "rmsprop", ", alpha: 0.5, weightDecay: 0.1", "RMSprop(l2=0.1, rho=0.5)"),
        ("MSECriterion", "asgd", ", eta0: 0.1, lambda: 0.2", "ASGD(0.1, decay=0.2)"),
        ("MSECriterion", "rprop", ", stepsize: 0.2", "Rprop(step_size=0.2)"),
        (
            "MSECriterion, sizeAverage: false",
            "adagrad",
            ", learningRateDecay: 0.1",
            "Adagrad(learning_rate_decay=0.1)",
        ),
    ],
)
def test_optimizers(criterion, method, options, code, tmp_path, written):
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG % (criterion, method, options))
    script = generate(path)
    (written / f"small_{method}.py").write_text(script)
    assert code in script
    assert ("average=False" in script) == ("sizeAverage" in criterion)
    names = run(script)
    names["build_model"]()
    assert isinstance(eval(code, names), keras.optimizers.Optimizer)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("lbfgs", "", r"lbfgs is no step that keras\.Model\.fit can take; there are: adadelta"),
        (
            "sgd",
            ", learningRates: [0.1, 0.2]",
            r"learningRates of sgd cannot be written; it takes: learningRate",
        ),
    ],
)
def test_optimization_that_fits_no_script_is_refused(method, options, message, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG % ("MSECriterion", method, options))
    with pytest.raises(CodegenError, match=message):
        generate(path)
