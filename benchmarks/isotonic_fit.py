"""Isotonic regression of a million samples, beside scikit-learn's where it is installed.

Run ``python benchmarks/isotonic_fit.py``. Two jobs: pooling alone, on targets that are already in
the order of their scores, and the whole fit from unsorted scores.
"""

from __future__ import annotations

import argparse
import statistics
from typing import TYPE_CHECKING

import numpy as np
from decode_records import timed

from deepbird_v2.calibration.fit import isotonic_points, isotonic_regression
from deepbird_v2.discretizers.native import core

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    scores = rng.random(options.samples)
    outcomes = (rng.random(options.samples) < scores).astype(float)
    weights = rng.random(options.samples) + 0.5
    ordered = outcomes[np.argsort(scores)]
    rows: dict[str, Callable[[], object]] = {
        "pooling, deepbird": lambda: isotonic_regression(ordered, weights),
        "whole fit, deepbird": lambda: isotonic_points(scores, outcomes, weights, n_bin=1000),
    }
    try:
        from sklearn.isotonic import IsotonicRegression
        from sklearn.isotonic import isotonic_regression as peer
    except ImportError:
        print("scikit-learn is not installed; its rows are left out")
    else:
        rows["pooling, scikit-learn"] = lambda: peer(ordered, sample_weight=weights)
        rows["whole fit, scikit-learn"] = lambda: IsotonicRegression().fit(
            scores, outcomes, weights
        )
        gap = np.abs(isotonic_regression(ordered, weights) - peer(ordered, sample_weight=weights))
        print(f"largest difference from scikit-learn {gap.max():.1e}")
    print(f"{options.samples:,} samples, {'compiled core' if core() else 'Python core'}")
    for name, work in rows.items():
        print(f"{name:26}{statistics.median(timed(work, options.rounds)) * 1e3:10.1f} ms")


if __name__ == "__main__":
    main()
