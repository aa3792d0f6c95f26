"""Calibrating on decoded records: which features count, and what labels are."""

import numpy as np
import pytest

from deepbird_v2.data import FeatureConfig, FeatureKind, decode_batch, read_records
from deepbird_v2.discretizers import DiscretizerCalibrator
from deepbird_v2.discretizers.errors import CalibrationDataError


@pytest.fixture(scope="module")
def records(golden):
    return list(read_records(golden / "flights" / "train_first_50_batches.lzo"))[:300]


@pytest.fixture(scope="module")
def config(golden):
    return FeatureConfig.from_features_json(golden / "flights" / "features.json")


def calibrated(batch, *kinds, **options):
    calibrator = DiscretizerCalibrator(5, 14, **options)
    calibrator.accumulate_batch(batch, *kinds)
    return calibrator.calibrate()


def test_continuous_features_count_and_sparse_ones_where_asked(records, config):
    batch = decode_batch(records, config)
    continuous = set(batch.key[batch.kind == FeatureKind.CONTINUOUS].tolist())
    sparse = set(batch.key[batch.kind == FeatureKind.SPARSE_CONTINUOUS].tolist())
    assert sparse
    assert set(calibrated(batch).by_id) == continuous
    both = calibrated(batch, [FeatureKind.CONTINUOUS, FeatureKind.SPARSE_CONTINUOUS])
    assert set(both.by_id) == continuous | sparse


def test_mdl_takes_the_first_label_and_leaves_out_records_without(records, config):
    batch = decode_batch(records, config)
    state = calibrated(batch, method="mdl")
    labelled = ~np.isnan(batch.labels[batch.row, 0]) & (batch.kind == FeatureKind.CONTINUOUS)
    total = sum(float(b.weights.sum()) for b in state.features)
    assert total == labelled.sum()
    without = decode_batch(records, config.replace(labels=()))
    with pytest.raises(CalibrationDataError, match="mdl needs labels"):
        calibrated(without, method="mdl")
