"""Prediction files of every format, and what is said about bad ones."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepbird_v2.data import encode_predictions, feature_id, write_records
from verify.predictions import PredictionError, PredictionSet, load_predictions, named_by_feature

IDS = ["a", "b", "c"]
SCORE = np.array([0.25, 0.5, 0.75])


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)


def csv(path, **columns):
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(str(cell) for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def jsonl(path, **columns):
    rows = zip(*columns.values(), strict=True)
    lines = (json.dumps(dict(zip(columns, row, strict=True))) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines))


def npz(path, **columns):
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **columns)


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl", "p.parquet", "p.npz", "p.bin"])
def test_every_format_gives_the_same(tmp_path, name):
    path = tmp_path / name
    write = {"p.csv": csv, "p.jsonl": jsonl, "p.npz": npz}.get(name, parquet)
    write(path, id=IDS, score=SCORE.tolist(), label=[0, 1, 0])
    got = load_predictions(path)
    assert got.rows == 3
    assert got.ids.to_pylist() == IDS
    assert list(got.columns) == ["score"]
    np.testing.assert_array_equal(got.columns["score"], SCORE)
    np.testing.assert_array_equal(got.labels, [0, 1, 0])
    assert got.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert got.has_dtypes == (name not in ("p.csv", "p.jsonl"))


@pytest.mark.parametrize("name", ["p.lzo", "p.gz", "p.block"])
def test_records(tmp_path, name):
    path = tmp_path / name
    write_records(path, encode_predictions({feature_id("my.score"): SCORE}))
    raw = load_predictions(path)
    assert list(raw.columns) == [str(feature_id("my.score"))]
    assert raw.ids is None
    assert not raw.has_dtypes
    named = load_predictions(path, columns=["my.score"])
    np.testing.assert_array_equal(named.columns["my.score"], SCORE)
    assert list(named_by_feature(raw, ["other", "my.score"]).columns) == ["my.score"]


def test_v1_responses(golden):
    names = json.loads((golden / "flights/features.json").read_text())
    found = load_predictions(golden / "flights/v1_responses.lzo", columns=["prediction.score"])
    assert found.rows == 2500
    assert str(feature_id("prediction.score")) in json.dumps(names)
    assert ((found.columns["prediction.score"] > 0) & (found.columns["prediction.score"] < 1)).all()


def test_dtypes_are_kept_and_missing_values_become_nan(tmp_path):
    path = tmp_path / "p.parquet"
    half = pa.array(SCORE.astype(np.float32))
    vector = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(6.0)), 2)
    parquet(path, f=half, v=vector, hole=pa.array([1.0, None, 2.0]), n=pa.array([1, 2, 3]))
    columns = load_predictions(path).columns
    assert {name: (c.dtype.name, c.shape) for name, c in columns.items()} == {
        "f": ("float32", (3,)),
        "v": ("float64", (3, 2)),
        "hole": ("float64", (3,)),
        "n": ("int64", (3,)),
    }
    assert np.isnan(columns["hole"]).tolist() == [False, True, False]


def test_large_integers_stay_apart_in_text(tmp_path):
    path = tmp_path / "p.csv"
    csv(path, uid=[2**63 + 1, 2**63 + 2], score=[1.0, 2.0])
    got = load_predictions(path, id_column="uid")
    assert got.ids.to_pylist() == [str(2**63 + 1), str(2**63 + 2)]


def test_text_columns_are_set_aside_by_name(tmp_path):
    path = tmp_path / "p.parquet"
    parquet(path, id=IDS, score=SCORE, note=IDS)
    assert load_predictions(path).ignored == ("note",)


def test_a_target_that_is_no_label_is_a_column(tmp_path):
    path = tmp_path / "p.parquet"
    parquet(path, id=IDS, target=[1.0, 2.0, 3.0])
    got = load_predictions(path)
    assert got.labels is None
    assert list(got.columns) == ["target"]


@pytest.mark.parametrize(
    ("columns", "options", "words"),
    [
        ({"id": IDS, "score": SCORE}, {"columns": ["scores"]}, "did you mean 'score'"),
        ({"id": IDS, "score": SCORE}, {"id_column": "uid"}, "no column 'uid'"),
        ({"id": ["a", None, None], "score": SCORE}, {}, "lacks 2 of 3 ids, first in row 1"),
        ({"id": [0.5, 1.5, 2.5], "score": SCORE}, {}, "cannot identify rows"),
        ({"id": IDS, "y": IDS}, {"label_column": "y"}, "must hold numbers in"),
        ({"id": IDS, "y": [0.0, 1.0, 2.0]}, {"label_column": "y"}, "must hold numbers in"),
    ],
)
def test_bad_columns(tmp_path, columns, options, words):
    path = tmp_path / "p.parquet"
    parquet(path, **columns)
    with pytest.raises(PredictionError, match=words) as error:
        load_predictions(path, **options)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", b""),
        ("p.csv", b"a,b\n1\n"),
        ("p.jsonl", b'{"a": 1}\n{"a": '),
        ("p.parquet", b"PAR1 and then nothing"),
        ("p.npz", b"PK\x03\x04 torn"),
        ("p.lzo", b"\x89LZO torn"),
        ("p", b""),
    ],
)
def test_damaged_files(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(PredictionError, match="p"):
        load_predictions(path)


def test_lengths_must_agree():
    with pytest.raises(PredictionError, match="differ in length"):
        PredictionSet.from_arrays({"a": SCORE, "b": SCORE[:2]})


def test_labels_are_shares():
    with pytest.raises(PredictionError, match="labels must be in"):
        PredictionSet.from_arrays({"a": SCORE}, labels=[0, 1, np.nan])
