"""Calibration and quality where labels are known: v1 and v2 against the same truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from verify.compare.values import Array, Floats

# Probabilities of exactly 0 or 1 would make one wrong row an infinite loss.
LOSS_CLIP = 1e-12
BINS = 10


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a set of probabilities is.

    Attributes:
        ratio: Sum of predictions over sum of labels; NaN without positive labels.
        ece: Expected calibration error over `BINS` equal-width bins.
        auc: Area under the ROC curve, ties counted half; NaN if only one class occurs.
        log_loss: Mean cross entropy in nats.
        rce: Relative cross entropy in percent: how much better than the constant prediction of
            the mean label; NaN if only one class occurs.
        reliability: Per bin: rows, mean prediction, mean label ([bins, 3], NaN for empty bins).
    """

    ratio: float
    ece: float
    auc: float
    log_loss: float
    rce: float
    reliability: Floats


def quality(probability: Array, label: Array) -> Quality:
    """Judge probabilities by their labels.

    Args:
        probability: Values in [0, 1], [rows].
        label: 0 or 1 (or a share in between), [rows].

    Raises:
        ValueError: There are no rows, or values are outside [0, 1] or not finite.
    """
    p, y = np.asarray(probability, np.float64), np.asarray(label, np.float64)
    if not p.size or p.shape != y.shape:
        raise ValueError(f"{p.size} predictions and {y.size} labels cannot be judged")
    for name, values in (("prediction", p), ("label", y)):
        if not bool(np.all((values >= 0.0) & (values <= 1.0))):
            at = int(np.argmin((values >= 0.0) & (values <= 1.0)))
            raise ValueError(f"{name} {values[at]} in row {at} is not in [0, 1]")
    bins = reliability(p, y)
    filled = bins[:, 0] > 0
    gap = np.abs(bins[filled, 1] - bins[filled, 2])
    loss, base = _log_loss(p, y), _log_loss(np.full_like(y, y.mean()), y)
    mixed = 0.0 < float(y.mean()) < 1.0
    return Quality(
        ratio=float(p.sum() / y.sum()) if y.sum() else float("nan"),
        ece=float((gap * bins[filled, 0]).sum() / len(p)),
        auc=auc(p, y),
        log_loss=loss,
        rce=100.0 * (1.0 - loss / base) if mixed else float("nan"),
        reliability=bins,
    )


def reliability(probability: Floats, label: Floats, bins: int = BINS) -> Floats:
    """Return rows, mean prediction and mean label of equal-width bins, [bins, 3]."""
    index = np.minimum((probability * bins).astype(np.int64), bins - 1)
    rows = np.bincount(index, minlength=bins).astype(np.float64)
    sums = (np.bincount(index, values, bins) for values in (probability, label))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [np.where(rows > 0, total / rows, np.nan) for total in sums]
    return np.column_stack([rows, *means])


def auc(score: Array, label: Array) -> float:
    """Return the area under the ROC curve by mean ranks; NaN if only one class occurs.

    Args:
        score: Any numbers, [rows].
        label: Weight of the positive class, 0 to 1, [rows].
    """
    order = np.argsort(score, kind="stable")
    ordered, y = score[order], np.asarray(label, np.float64)[order]
    change = np.concatenate(([False], ordered[1:] != ordered[:-1]))
    run = np.cumsum(change)
    positive, negative = np.bincount(run, y), np.bincount(run, 1.0 - y)
    total = positive.sum() * negative.sum()
    if total == 0.0:
        return float("nan")
    below = np.cumsum(negative) - negative
    return float((positive * (below + 0.5 * negative)).sum() / total)


def _log_loss(p: Floats, y: Floats) -> float:
    p = np.clip(p, LOSS_CLIP, 1.0 - LOSS_CLIP)
    return float(-(y * np.log(p) + (1.0 - y) * np.log1p(-p)).mean())
