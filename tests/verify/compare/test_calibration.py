"""Quality measures against values worked out by hand."""

import numpy as np
import pytest

from verify.compare.calibration import auc, quality


def test_auc_counts_pairs():
    rng = np.random.default_rng(1)
    score, label = rng.integers(0, 6, 60), rng.integers(0, 2, 60)
    positive, negative = score[label == 1], score[label == 0]
    wins = (positive[:, None] > negative).sum() + 0.5 * (positive[:, None] == negative).sum()
    assert auc(score, label) == pytest.approx(wins / (len(positive) * len(negative)))
    assert np.isnan(auc(score, np.ones(60)))


def test_quality_by_hand():
    q = quality(np.array([0.2, 0.2, 0.8, 0.8]), np.array([0, 0, 1, 0]))
    assert q.ratio == 2.0
    assert q.ece == pytest.approx(0.5 * 0.2 + 0.5 * 0.3)
    assert q.auc == pytest.approx(1.0 - 0.5 / 3)
    loss = -(3 * np.log(0.8) + np.log(0.2)) / 4
    base = -(np.log(0.25) + 3 * np.log(0.75)) / 4
    assert q.log_loss == pytest.approx(loss)
    assert q.rce == pytest.approx(100 * (1 - loss / base))


def test_the_constant_prediction_has_an_rce_of_zero():
    label = np.array([0, 1, 0, 0])
    assert quality(np.full(4, 0.25), label).rce == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("p", "y", "words"),
    [
        ([0.5, 1.5], [0, 1], "prediction 1.5 in row 1"),
        ([0.5, 0.5], [0, np.nan], "label nan in row 1"),
        ([], [], "0 predictions"),
    ],
)
def test_bad_input(p, y, words):
    with pytest.raises(ValueError, match=words):
        quality(np.array(p), np.array(y))
