"""A model that answers whatever a test wants it to answer to the flights requests."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from deepbird_v2.data import FeatureConfig, RecordBuffer, decode_batch, read_records
from verify.predictions import load_predictions

OUTPUTS = ("prediction.score", "prediction.calibrated")


def content(batch):
    """A name for every row: what it holds."""
    splits = batch.row_splits
    return [
        (batch.key[a:b].tobytes(), batch.value[a:b].tobytes()) for a, b in pairwise(splits.tolist())
    ]


@dataclass
class Model:
    """Answers a known request as prepared, and raises at `broken` rows."""

    features: FeatureConfig
    rows: dict
    answers: dict
    broken: tuple = ()
    name: str = "prepared"

    @property
    def outputs(self):
        return tuple(self.answers)

    def predict(self, batch):
        at = np.array([self.rows[name] for name in content(batch)])
        if np.isin(at, self.broken).any():
            raise RuntimeError("out of range\nwith a second line")
        return {name: values[at] for name, values in self.answers.items()}


@dataclass(frozen=True)
class Flights:
    """The flights traffic in memory."""

    requests: Any
    v1_file: Any
    records: RecordBuffer
    features: FeatureConfig
    rows: dict
    v1: dict
    carrier: np.ndarray

    def model(self, change=None, *, noise=1e-7, broken=()):
        """A model that answers as v1, but for float32 noise and what `change` does."""
        rng = np.random.default_rng(5)
        answers = {
            name: np.clip(v + rng.uniform(-noise, noise, len(v)), 0, 1)
            for name, v in self.v1.items()
        }
        if change:
            change(answers)
        return Model(self.features, self.rows, answers, broken)


@pytest.fixture(scope="session")
def flights(golden):
    folder = golden / "flights"
    features = FeatureConfig.from_features_json(folder / "features.json")
    records = read_records(folder / "requests.lzo")
    batch = decode_batch(records, features)
    v1 = load_predictions(folder / "v1_responses.lzo", columns=OUTPUTS)
    carrier = batch.select([next(f.id for f in features.features if f.name == "carrier.code")])
    return Flights(
        folder / "requests.lzo",
        folder / "v1_responses.lzo",
        records,
        features,
        {name: row for row, name in enumerate(content(batch))},
        dict(v1.columns),
        carrier.key,
    )
