"""How much better or worse v2's scores are than v1's against the same labels, with certainty.

Every figure of v2 and v1 is taken over the same resampled requests, so that what they share
cancels. Requests are drawn in at most a thousand random bags, which keeps the cost of a resample
independent of the traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from verify.compare.calibration import BINS, LOSS_CLIP, auc
from verify.stats.bootstrap import Interval
from verify.verdict import Status

__all__ = ["FIGURES", "Delta", "Margin", "quality_deltas"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BAGS, ROUNDS = 1000, 2000
# A bootstrap of fewer requests promises more certainty than there is.
FEWEST = 20


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse v2 may be.

    Attributes:
        size: The margin, in units of the figure.
        worse: 1 if a larger figure is worse, -1 if a smaller one is, 0 if any change is.
    """

    size: float
    worse: int

    def judge(self, interval: Interval) -> Status:
        """PASS if the whole interval is inside the margin, FAIL if all of it is outside."""
        harms = [(interval.low, interval.high), (-interval.high, -interval.low)]
        sides = {1: harms[:1], -1: harms[1:], 0: harms}[self.worse]
        if any(low > self.size for low, _ in sides):
            return Status.FAIL
        inside = all(high <= self.size for _, high in sides)
        return Status.PASS if inside else Status.INCONCLUSIVE

    def describe(self) -> str:
        """Return the margin as a formula."""
        return {1: f"≤ +{self.size:g}", -1: f"≥ −{self.size:g}", 0: f"within ±{self.size:g}"}[
            self.worse
        ]


# Figure → the policy's name for its margin, and `Margin.worse`.
FIGURES: Mapping[str, tuple[str, int]] = {
    "predicted/observed": ("predicted_observed", 0),
    "ECE": ("ece", 1),
    "AUC": ("auc", -1),
    "log loss": ("log_loss", 1),
    "RCE": ("rce", -1),
}


@dataclass(frozen=True, slots=True)
class Delta:
    """One figure of both versions and the interval of their difference.

    Attributes:
        name: A key of `FIGURES`. The change of predicted/observed is relative; RCE is in percent.
        v1, v2: The figure.
        interval: Of v2 − v1.
        margin: What v2 may lose.
    """

    name: str
    v1: float
    v2: float
    interval: Interval
    margin: Margin

    @property
    def status(self) -> Status:
        """The judgement of the margin."""
        return self.margin.judge(self.interval)

    def sentence(self) -> str:
        """Say what changed, how surely, and what is allowed."""
        i = self.interval
        return (
            f"{self.name} {self.v1:.5g} → {self.v2:.5g}, change {i.estimate:+.3g} "
            f"[{i.low:+.3g}, {i.high:+.3g}], allowed {self.margin.describe()}"
        )


def quality_deltas(
    v1: Floats,
    v2: Floats,
    label: Floats,
    margin_of: Callable[[str], float],
    groups: Ints | None = None,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[Delta, ...]:
    """Compare two columns of probabilities by their labels.

    Args:
        v1: Probabilities of v1, [rows].
        v2: Probabilities of v2, [rows].
        label: Truth in [0, 1], [rows].
        margin_of: The policy's name of a figure → its margin; asked for figures that are judged.
        groups: Request of each row, from 0 without gaps; requests are drawn whole. None: each row
            is a request.
        confidence: Of the two-sided percentile intervals.
        seed: Of the bags and resamples.

    Returns:
        One entry a figure that is defined: AUC and RCE need both classes, predicted/observed a
        positive label.

    Raises:
        ValueError: There are fewer than `FEWEST` requests.
    """
    rng = np.random.default_rng(seed)
    owner = np.arange(len(v1)) if groups is None else groups
    count = int(owner.max(initial=-1)) + 1
    if count < FEWEST:
        raise ValueError(f"a bootstrap needs {FEWEST} requests or more, not {count}")
    bags = min(count, BAGS)
    bag = (rng.permutation(count) % bags)[owner]
    rows = _contributions(v1, v2, label)
    sums = {
        name: np.stack([np.bincount(bag, part, bags) for part in parts], axis=1)
        for name, parts in rows.items()
    }
    draws = rng.multinomial(bags, np.full(bags, 1.0 / bags), ROUNDS).astype(np.float64)
    figures = _figures({name: part.sum(axis=0, keepdims=True) for name, part in sums.items()})
    resampled = _figures({name: draws @ part for name, part in sums.items()})
    areas = auc(v1, label), auc(v2, label)
    found = []
    for name, (measure, worse) in FIGURES.items():
        first, second = (float(side[0]) for side in figures[name])
        change = _change(name, *resampled[name])
        estimate = float(_change(name, *figures[name])[0])
        if name == "AUC":
            first, second = areas
            change, estimate = change + (second - first), second - first
        change = change[np.isfinite(change)]
        if not np.isfinite([first, second]).all() or len(change) < ROUNDS // 2:
            continue
        tail = (1.0 - confidence) / 2.0
        low, high = np.quantile(change, (tail, 1.0 - tail))
        interval = Interval(estimate, float(low), float(high), confidence)
        margin = Margin(margin_of(measure), worse)
        found.append(Delta(name, first, second, interval, margin))
    return tuple(found)


def _change(name: str, v1: Floats, v2: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return v2 / v1 - 1.0 if name == "predicted/observed" else v2 - v1


def _contributions(v1: Floats, v2: Floats, label: Floats) -> dict[str, list[Floats]]:
    """What each row adds to sums that the figures are functions of; v1's part, then v2's."""
    bins = np.minimum((v1 * BINS).astype(np.int64), BINS - 1)
    gaps = [np.where(bins == b, p - label, 0.0) for p in (v1, v2) for b in range(BINS)]
    return {
        "rows": [np.ones_like(label), label],
        "predicted": [v1, v2],
        "loss": [_loss(v1, label), _loss(v2, label)],
        "auc": [_auc_influence(v1, label), _auc_influence(v2, label)],
        "gaps": gaps,
    }


def _figures(sums: dict[str, Floats]) -> dict[str, tuple[Floats, Floats]]:
    """The figures of v1 and v2, [resamples] each; AUC as what it deviates from the whole."""
    rows, positive = sums["rows"].T
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = positive / rows
        base = -(mean * np.log(mean) + (1.0 - mean) * np.log1p(-mean))
        loss = [part / rows for part in sums["loss"].T]
        gaps = np.abs(sums["gaps"]).reshape(len(rows), 2, BINS).sum(axis=2) / rows[:, None]
        pairs = {
            "predicted/observed": [part / positive for part in sums["predicted"].T],
            "ECE": list(gaps.T),
            "AUC": [part / rows for part in sums["auc"].T],
            "log loss": loss,
            "RCE": [100.0 * (1.0 - part / base) for part in loss],
        }
    return {name: (first, second) for name, (first, second) in pairs.items()}


def _loss(p: Floats, y: Floats) -> Floats:
    p = np.clip(p, LOSS_CLIP, 1.0 - LOSS_CLIP)
    return np.asarray(-(y * np.log(p) + (1.0 - y) * np.log1p(-p)))


def _auc_influence(score: Floats, label: Floats) -> Floats:
    """How far a row moves the AUC when it counts more: the AUC of a resample, to first order."""
    order = np.argsort(score, kind="stable")
    ordered, y = score[order], label[order]
    run = np.cumsum(np.concatenate(([False], ordered[1:] != ordered[:-1])))
    positive, negative = np.bincount(run, y), np.bincount(run, 1.0 - y)
    with np.errstate(divide="ignore", invalid="ignore"):
        below = (np.cumsum(negative) - 0.5 * negative) / negative.sum()
        above = 1.0 - (np.cumsum(positive) - 0.5 * positive) / positive.sum()
        area = (positive * below).sum() / positive.sum()
        share = y.mean()
        moved = y * (below[run] - area) / share + (1.0 - y) * (above[run] - area) / (1.0 - share)
    influence = np.empty_like(score)
    influence[order] = moved
    return influence
