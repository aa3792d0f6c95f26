"""The stored comparison under DuckDB: what a slice of it holds, counted out of memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Counts", "Slice", "SliceError", "SliceStore", "need_duckdb"]

_MANY_VALUES = 20


class SliceError(ValueError):
    """A slice cannot be computed; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A named part of the traffic."""

    name: str
    predicate: str


@dataclass(frozen=True, slots=True)
class Counts:
    """One output in one slice; see `verify.traffic.slices.SliceResult`."""

    rows: int
    beyond: int
    max_abs: float | None
    bias: float | None
    shift: float | None
    p_shifted: float


def need_duckdb() -> Any:
    """Return the module.

    Raises:
        SliceError: It is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise SliceError("slices need DuckDB: pip install 'deepbird[traffic]'") from error
    return duckdb


class SliceStore:
    """DuckDB over one Parquet file, without access to anything else."""

    def __init__(self, path: Path, memory: str) -> None:
        duckdb = need_duckdb()
        self._error = duckdb.Error
        # one thread: sums in one order, and so the same bytes in every report
        self._db = duckdb.connect(":memory:", config={"memory_limit": memory, "threads": 1})
        quoted = str(path.resolve()).replace("'", "''")
        view = f"CREATE VIEW traffic AS SELECT * FROM read_parquet('{quoted}')"  # noqa: S608 - quoted
        self._db.execute(view)
        self._db.execute(f"SET allowed_paths = ['{quoted}']")
        # predicates may come from files that people share: they read the comparison, nothing else
        self._db.execute("SET enable_external_access = false")
        self._db.execute("SET lock_configuration = true")
        self.names = [row[0] for row in self._db.execute("DESCRIBE traffic").fetchall()]

    def __enter__(self) -> SliceStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def counts(self, slice_: Slice, output: str, margin: float) -> Counts:
        """Count a slice of one output; shifts are tested over whole requests.

        Args:
            slice_: The slice.
            output: The output.
            margin: How far the sum of v2's scores over that of v1's may be from 1.
        """
        v1, v2, beyond = (_name(f"{output}.{part}") for part in ("v1", "v2", "beyond"))
        group = _name("group" if "group" in self.names else "row")
        up, down = f"{v2} - {1 + margin!r} * {v1}", f"{1 - margin!r} * {v1} - {v2}"
        query = f"""
            WITH chosen AS (
                SELECT *, isfinite({v1}) AND isfinite({v2}) AS finite
                FROM traffic WHERE ({slice_.predicate}
                )
            ), request AS (
                SELECT count(*) AS n, sum({beyond}::INT) AS bad,
                    max(abs({v2} - {v1})) FILTER (finite) AS worst,
                    sum({v2} - {v1}) FILTER (finite) AS moved,
                    count(*) FILTER (finite) AS finite_rows, sum({v1}) FILTER (finite) AS total,
                    coalesce(sum({up}) FILTER (finite), 0) AS up,
                    coalesce(sum({down}) FILTER (finite), 0) AS down
                FROM chosen GROUP BY {group}
            )
            SELECT coalesce(sum(n), 0), coalesce(sum(bad), 0), max(worst),
                sum(moved) / nullif(sum(finite_rows), 0), sum(moved) / nullif(sum(total), 0),
                sum(total), count(*), avg(up), stddev_samp(up), avg(down), stddev_samp(down)
            FROM request
        """  # noqa: S608 - SQL is what a slice is made of, and it reads nothing but the comparison
        (rows, bad, worst, bias, shift, total, n, *moments) = self._one(query, slice_)
        positive = total is not None and total > 0
        tails = [_tail(n, *moments[i : i + 2]) for i in (0, 2)] if positive else [1.0]
        return Counts(
            int(rows),
            int(bad),
            worst,
            bias,
            shift if positive else None,
            min(1.0, 2.0 * min(tails)),
        )

    def slices_by(self, feature: str, minimum: int) -> Iterator[Slice]:
        """A slice a value of a feature, most frequent first; deciles of numbers of many values."""
        name = _name(feature)
        base = Slice(feature, f"{name} IS NOT NULL")
        kind = self._one(f"SELECT any_value(typeof({name})) FROM traffic", base)[0]  # noqa: S608 - as above
        if kind.endswith("[]") or kind.startswith("MAP"):
            raise SliceError(f"{feature} has many values a request; name slices of it in SQL")
        distinct = self._one(f"SELECT count(DISTINCT {name}) FROM traffic", base)[0]  # noqa: S608 - as above
        if kind in ("DOUBLE", "BIGINT") and distinct > _MANY_VALUES:
            yield from self._deciles(feature, name, base)
            return
        query = f"""
            SELECT {name}, count(*) FROM traffic WHERE {name} IS NOT NULL
            GROUP BY 1 HAVING count(*) >= {int(minimum)} ORDER BY 2 DESC, 1 LIMIT 100
        """  # noqa: S608 - as above
        for value, _ in self._all(query, base):
            literal = "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
            yield Slice(f"{feature} = {value}", f"{name} = {literal}")

    def _deciles(self, feature: str, name: str, base: Slice) -> Iterator[Slice]:
        steps = ", ".join(str(i / 10) for i in range(1, 10))
        query = f"SELECT quantile_disc({name}, [{steps}]) FROM traffic"  # noqa: S608 - as above
        edges = sorted(set(self._one(query, base)[0]))
        for low, high in zip([None, *edges], [*edges, None], strict=True):
            parts = [f"{name} >= {low!r}" if low is not None else f"{name} IS NOT NULL"]
            parts += [f"{name} < {high!r}"] if high is not None else []
            yield Slice(
                f"{feature} in [{'−∞' if low is None else low}, {'∞' if high is None else high})",
                " AND ".join(parts),
            )

    def _one(self, query: str, slice_: Slice) -> Any:
        return self._all(query, slice_)[0]

    def _all(self, query: str, slice_: Slice) -> list[Any]:
        try:
            return list(self._db.execute(query).fetchall())
        except self._error as error:
            reason = str(error).splitlines()[0]
            hint = "features are columns in double quotes, as in \"carrier.code\" = 'UA'"
            raise SliceError(f"slice {slice_.name!r}: {reason}; {hint}") from error


def _tail(requests: int, mean: float | None, deviation: float | None) -> float:
    """One-sided p-value of a mean above 0."""
    if requests < 2 or mean is None or deviation is None:
        return 1.0
    if deviation == 0.0:
        return 0.0 if mean > 0.0 else 1.0
    return 0.5 * math.erfc(mean / deviation * math.sqrt(requests / 2.0))


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
