"""Predictors: a fast backend answers as TensorFlow does, or TensorFlow answers."""

import keras
import numpy as np
import pytest
import yaml

from deepbird_v2.data import FeatureConfig, RecordBuffer, decode_predictions, feature_id
from deepbird_v2.data.batch import Batch
from deepbird_v2.data.features import Feature
from deepbird_v2.discretizers.percentile import PercentileDiscretizer as State
from deepbird_v2.layers.batch_normalization import BatchNormalization
from deepbird_v2.layers.full_sparse import FullSparse
from deepbird_v2.layers.isotonic import Isotonic
from deepbird_v2.layers.percentile_discretizer import PercentileDiscretizer
from deepbird_v2.layers.prelu import PReLU
from deepbird_v2.layers.sparse_partition import SparsePartition
from deepbird_v2.serving.backends import TensorFlowBackend, output_names
from deepbird_v2.serving.gate import Limit, agree, sample_records, sample_tensors
from deepbird_v2.serving.kernels import Dense
from deepbird_v2.serving.plan import Plan
from deepbird_v2.serving.predictor import BackendError, Predictor

FEATURES = (11, -7, 5)


def record_model(split=False):
    """Discretizer to calibration, with two towers if it is split."""
    key = keras.Input([None], dtype="int64", ragged=True, name="key")
    value = keras.Input([None], dtype="float64", ragged=True, name="value")
    field = keras.Input([None], dtype="int64", ragged=True, name="field")
    rng = np.random.default_rng(1)
    edges = np.sort(rng.normal(size=(3, 4)), axis=1)
    state = State(np.array(FEATURES), edges, np.arange(12).reshape(3, 4), 6)
    sparse = PercentileDiscretizer.from_state(state)(key, value)
    parts = SparsePartition([[11], [5, -7]])(sparse, field) if split else [sparse]
    towers = [PReLU(8)(FullSparse(8, bias_initializer="normal")(part)) for part in parts]
    x = keras.ops.concatenate(towers, axis=1) if split else towers[0]
    score = keras.ops.sigmoid(keras.layers.Dense(1)(keras.layers.Dropout(0.5)(x)))
    points = np.linspace(0, 1, 5)
    outputs = {"prediction.score": score,
               "prediction.calibrated": Isotonic.from_points(points, points**2)(score)}  # fmt: skip
    inputs = {"key": key, "value": value} | ({"field": field} if split else {})
    return keras.Model(inputs, outputs), FeatureConfig(tuple(map(Feature, FEATURES))), state


def mlp(activation=PReLU, last=keras.ops.softmax):
    x = inputs = keras.Input([20], name="x")
    for units in (9, 6):
        x = keras.layers.Dense(units, bias_initializer="normal")(x)
        x = BatchNormalization(momentum=0.1)(x)
        x = activation()(x)
    y = keras.layers.Dense(6)(x)
    return keras.Model(inputs, [last(x + y), keras.layers.Dense(2, activation="tanh")(y)])


def batches(state, fields):
    for columns in sample_records([state], fields, seed=5):
        rows, n = len(columns["row_splits"]) - 1, len(columns["key"])
        empty = np.zeros((rows, 0), np.float32)
        yield Batch(**columns, kind=np.zeros(n, np.uint8), labels=empty, weights=empty)


@pytest.mark.parametrize("split", [False, True])
def test_a_record_model_is_compiled_and_answers_the_same(split):
    model, features, state = record_model(split)
    fast = Predictor(model, features)
    slow = Predictor(model, features, backend="tensorflow")
    assert fast.choice.startswith("compiled")
    assert slow.backend.name == "tensorflow"
    for batch in batches(state, FEATURES):
        expected, got = slow.predict(batch), fast.predict(batch)
        assert list(got) == list(expected) == list(fast.outputs)
        for name, reference in expected.items():
            assert got[name].dtype == reference.dtype
            np.testing.assert_allclose(got[name], reference, atol=2e-6, rtol=0)


@pytest.mark.parametrize("last", [keras.ops.softmax, keras.ops.log_softmax, keras.ops.relu])
def test_a_model_of_tensors(rng, last):
    model = mlp(last=last)
    predictor = Predictor(model, None, backend="compiled")
    x = rng.normal(size=(7, 20))
    got = predictor.predict_tensors({"x": x})
    for values, reference in zip(got.values(), model(x.astype(np.float32)), strict=True):
        np.testing.assert_allclose(values, reference, rtol=1e-5, atol=1e-6)


def test_bytes_to_scores_to_bytes(golden, monkeypatch):
    monkeypatch.setenv("DEEPBIRD_NATIVE", "0")
    model, features, _ = record_model()
    predictor = Predictor(model, features)
    record = b"\x0d\x00\x02\x0a\x04\x00\x00\x00\x01" + (11).to_bytes(8, "big")
    record += b"\x3f\xe0" + bytes(6) + b"\x00"  # feature 11 is 0.5
    scores = predictor.predict_records([record, b"\x00"])
    request = b"\x0f\x00\x01\x0c\x00\x00\x00\x02" + record + b"\x00" + b"\x00"
    response = predictor.respond(request)
    assert response.startswith(b"\x0f\x00\x01\x0c\x00\x00\x00\x02")
    body = response[8:-1]
    half = len(body) // 2
    read = decode_predictions(RecordBuffer.from_offsets(body, [0, half, len(body)]))
    for name, values in scores.items():
        np.testing.assert_array_equal(read[feature_id(name)], values)
    assert scores["prediction.score"][0] != scores["prediction.score"][1]


def test_a_layer_without_kernel_leaves_the_model_to_litert():
    x = keras.Input([4], name="x")
    model = keras.Model(x, keras.layers.LayerNormalization(name="norm")(x))
    predictor = Predictor(model, None)
    assert predictor.backend.name == "litert"
    assert "norm: a LayerNormalization" in predictor.choice
    with pytest.raises(BackendError, match="norm"):
        Predictor(model, None, backend="compiled")


def test_what_no_fast_backend_can_run_is_left_to_tensorflow():
    x = keras.Input([4], dtype="float64", name="x")
    model = keras.Model(x, keras.layers.Dense(2, dtype="float64", name="dense")(x))
    assert Predictor(model, None).choice == (
        "tensorflow, because the compiled backend cannot be used: no kernel for dense: "
        "a Dense in float64, and the litert backend cannot be used: no kernel for x: float64"
    )


def test_a_backend_that_answers_otherwise_is_not_used(monkeypatch):
    model = mlp()
    honest = Plan.run

    def run(self, inputs):
        return {name: y + np.float32(1e-4) for name, y in honest(self, inputs).items()}

    monkeypatch.setattr(Plan, "run", run)
    predictor = Predictor(model, None)
    assert predictor.backend.name == "litert"
    assert "compiled backend cannot be used: output_1 differs by" in predictor.choice
    with pytest.raises(BackendError, match=r"compiled .* differs by"):
        Predictor(model, None, backend="compiled")


def test_a_constant_is_another_operation():
    x = keras.Input([4], name="x")
    model = keras.Model(x, keras.layers.Dense(2)(x) * 3.0)
    assert "constant" in Predictor(model, None).choice


def test_linear_layers_take_in_rectifiers():
    plan = Predictor(mlp(), None).backend.plan
    assert not any("PReLU" in step.name and "+" in step.name for step in plan.steps)  # norm between
    x = keras.Input([4], name="x")
    model = keras.Model(x, PReLU(3)(keras.layers.Dense(3)(x)))
    (step,) = Predictor(model, None).backend.plan.steps
    assert isinstance(step.kernel, Dense)


@pytest.mark.parametrize("backend", ["compiled", "litert"])
@pytest.mark.parametrize("seed", [2, 13, 14])
def test_long_sums_near_zero_are_no_other_answer(seed, backend):
    keras.utils.set_random_seed(seed)  # with two of these, TensorFlow's rounding alone is too much
    x = inputs = keras.Input([1000], name="x")
    for units in (400, 200, 100):
        x = PReLU(units)(keras.layers.Dense(units)(x))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    predictor = Predictor(model, None, backend=backend)
    assert predictor.backend.name == backend
    wrong = keras.models.clone_model(model)
    wrong.set_weights(model.get_weights())
    kernel = wrong.layers[1].kernel.numpy()
    kernel[7, 9] += 1e-2
    wrong.layers[1].kernel.assign(kernel)
    samples = sample_tensors({"x": ([None, 1000], "float32")})
    limits = {name: Limit() for name in output_names(model)}
    found = agree(TensorFlowBackend(wrong), predictor.backend, samples, limits)
    assert found.problem is not None


def test_limits_are_those_of_the_packaged_policy(golden):
    policy = yaml.safe_load((golden.parent / "verify" / "default_policy.yaml").read_text())
    rules = policy["tolerances"]
    score = next(r for r in rules if r.get("family") == "prediction" and r["output"] == "*")
    calibrated = next(r for r in rules if "calibrated" in r.get("output", ""))
    tensor = next(r for r in rules if r.get("dtype") == "float32")
    assert Limit.of_output("prediction.score", True).atol == score["atol"]
    assert Limit.of_output("prediction.calibrated", True).atol == calibrated["atol"]
    assert Limit.of_output("x", False) == Limit(tensor["atol"], tensor["rtol"])


def test_wrong_use_is_explained():
    predictor = Predictor(mlp(), None, "net")
    with pytest.raises(ValueError, match="net takes tensors"):
        predictor.predict_records([b"\0"])
    with pytest.raises(ValueError, match="the inputs are"):
        predictor.predict_tensors({"y": np.zeros((1, 20))})
    with pytest.raises(BackendError, match="unknown backend"):
        Predictor(mlp(), None, backend="onnx")
