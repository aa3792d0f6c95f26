"""Every way to serve flights gives what v1 answered to all recorded requests, by the policy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbird_v2.data import FeatureConfig, decode_batch, read_records
from deepbird_v2.folder import read_manifest
from deepbird_v2.serving.predictor import BackendError, Predictor
from migrate.converter import convert
from migrate.export import export
from verify.diff import diff
from verify.engines.keras_file import KerasFileEngine
from verify.predictions import PredictionSet, load_predictions, named_by_feature
from verify.verdict import Status

MODELS = ("flights", "flights_split")


@pytest.fixture(scope="module")
def folders(golden, tmp_path_factory):
    root = tmp_path_factory.mktemp("converted")
    return {
        name: export(
            convert(golden / "flights" / f"{name}.t7"),
            root / name,
            predictions=("prediction.score", "prediction.calibrated", "prediction.split_score"),
        )
        for name in MODELS
    }


@pytest.fixture(scope="module")
def requests(golden):
    return list(read_records(golden / "flights" / "requests.lzo"))


def by_backend(name):
    def answer(folder, records):
        predictor = Predictor.load(folder, name)
        assert predictor.backend.name == name
        return predictor.predict_records(records)

    return answer


def by_keras_file(folder, records):
    engine = KerasFileEngine(folder / "model.keras")
    return engine.predict(decode_batch(records, engine.features))


def by_saved_model(folder, records):
    batch = decode_batch(records, FeatureConfig.load(folder / "features.json"))
    signature = tf.saved_model.load(folder / "saved_model").signatures["predict"]
    names = list(signature.structured_input_signature[1])
    columns = {name: tf.constant(getattr(batch, name)) for name in names}
    return {name: np.ravel(y) for name, y in signature(**columns).items()}


def by_records_in_the_graph(folder, records):
    model = tf.saved_model.load(folder / "saved_model")
    answers = model.signatures["predict_records"](records=tf.constant(records))
    return {name: np.ravel(y) for name, y in answers.items()}


WAYS = {
    "compiled": by_backend("compiled"),
    "tensorflow": by_backend("tensorflow"),
    "keras file": by_keras_file,
    "saved model": by_saved_model,
    "saved model, records": by_records_in_the_graph,
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("way", WAYS)
def test_answers_as_v1_did(golden, folders, requests, model, way):
    names = read_manifest(folders[model]).outputs
    answers = WAYS[way](folders[model], requests)
    assert sorted(answers) == sorted(names)
    assert {len(values) for values in answers.values()} == {len(requests)} == {2500}
    wire = {name: answers[name].astype(np.float64) for name in names}  # as responses carry them
    recorded = named_by_feature(load_predictions(golden / "flights" / "v1_responses.lzo"), names)
    report = diff(recorded.select(names), PredictionSet.from_arrays(wire, source=way))
    problems = [c.detail for c in report.verdict.checks if c.status is not Status.PASS]
    assert report.verdict.status is Status.PASS, problems


@pytest.mark.parametrize("model", MODELS)
def test_litert_says_why_it_takes_no_records(folders, model):
    with pytest.raises(BackendError, match=r"litert backend cannot be used: .* a ragged input"):
        Predictor.load(folders[model], "litert")


@pytest.mark.parametrize("model", MODELS)
def test_serving_chooses_the_compiled_backend(folders, model):
    keras.backend.clear_session()
    assert Predictor.load(folders[model]).choice.startswith("compiled: within ")
