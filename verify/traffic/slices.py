"""Slices: parts of the traffic named by SQL predicates over the stored comparison.

A slice is judged by what it adds: whether answers out of tolerance gather in it, and whether its
scores moved as a whole. Many slices are many chances of a false alarm, so p-values are adjusted
over all slices (Benjamini-Hochberg).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify.stats.multiple import benjamini_hochberg
from verify.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Slice",
    "SliceError",
    "SliceResult",
    "judge_slices",
    "need_duckdb",
    "parse_slice",
    "quoted_names",
]

MINIMUM = 50
ALPHA = 0.01
# Bad answers gather where they are this many times as frequent as elsewhere.
GATHERED = 2.0
# How far the sum of v2's scores over that of v1's may be from 1 in a slice.
SHIFT_MARGIN = 0.005
_MANY_VALUES = 20


class SliceError(ValueError):
    """A slice cannot be computed; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A named part of the traffic."""

    name: str
    predicate: str


@dataclass(frozen=True, slots=True)
class SliceResult:
    """How one output fared in one slice.

    Attributes:
        slice: The slice.
        output: The output.
        rows: Requests in it.
        beyond: Those out of tolerance, or without an answer; `beyond_outside`: all others'.
        max_abs, bias: Largest |v2 − v1| and mean v2 − v1 over finite answers; None without any.
        shift: Sum of v2 over sum of v1, less 1; None where v1's sum is not positive.
        p_gathered: Chance that so many of the bad answers fall in by accident, adjusted.
        p_shifted: Chance of such a shift if the true one is within the margin, adjusted.
        gathered: Whether bad answers gather here, surely and by a multiple: this is where to look.
        status: FAIL for one that fails by itself, INCONCLUSIVE below the minimum size.
        note: Why.
    """

    slice: Slice
    output: str
    rows: int
    beyond: int
    beyond_outside: int
    max_abs: float | None
    bias: float | None
    shift: float | None
    p_gathered: float
    p_shifted: float
    gathered: bool
    status: Status
    note: str


@dataclass(frozen=True, slots=True)
class _Counts:
    rows: int
    beyond: int
    max_abs: float | None
    bias: float | None
    shift: float | None
    p_shifted: float


def parse_slice(text: str) -> Slice:
    """Read `name: SQL predicate`; a predicate alone is its own name.

    Raises:
        SliceError: The predicate is empty.
    """
    found = re.fullmatch(r"\s*([\w .,/+-]+?)\s*:(?!:)(.*)", text, re.DOTALL)
    name, predicate = (found[1], found[2].strip()) if found else (text.strip(), text.strip())
    if not predicate:
        raise SliceError(f"slice {text!r} has no predicate; write name: SQL predicate")
    return Slice(name, predicate)


def quoted_names(predicate: str) -> tuple[str, ...]:
    """Return the double-quoted identifiers of a predicate; features are named this way."""
    without_strings = re.sub(r"'(?:[^']|'')*'", "''", predicate)
    return tuple(
        name.replace('""', '"') for name in re.findall(r'"((?:[^"]|"")+)"', without_strings)
    )


def judge_slices(
    store: str | Path,
    slices: Sequence[Slice],
    outputs: Iterable[str],
    *,
    by: Iterable[str] = (),
    minimum: int = MINIMUM,
    memory: str = "1GB",
) -> list[SliceResult]:
    """Compare slice by slice.

    Args:
        store: The comparison that `Replay` stored.
        slices: Slices to judge; each must hold at least `minimum` requests.
        outputs: Outputs to judge.
        by: Features whose values (deciles, if numbers of many values) are slices of their own;
            values below `minimum` are left out.
        minimum: Fewest requests of a slice.
        memory: What DuckDB may use; it spills to disk beyond.

    Returns:
        Every slice and output, worst first.

    Raises:
        SliceError: DuckDB is not installed, or refuses a predicate.
    """
    with _Store(Path(store), memory) as rows:
        every = [*slices, *(s for feature in by for s in rows.slices_by(feature, minimum))]
        names = list(outputs)
        whole = {name: rows.counts(Slice("all", "true"), name) for name in names}
        found = [(s, name, rows.counts(s, name)) for s in every for name in names]
    gathered = [_gathered(counts, whole[name]) for _, name, counts in found]
    p_gathered = benjamini_hochberg(gathered)
    p_shifted = benjamini_hochberg([counts.p_shifted for _, _, counts in found])
    results = [
        _judged(s, name, counts, whole[name], float(g), float(m), minimum)
        for (s, name, counts), g, m in zip(found, p_gathered, p_shifted, strict=True)
    ]
    order = {Status.FAIL: 0, Status.INCONCLUSIVE: 1, Status.PASS: 2}
    return sorted(
        results, key=lambda r: (order[r.status], -r.beyond / max(r.rows, 1), -(r.max_abs or 0.0))
    )


def _judged(
    slice_: Slice,
    output: str,
    counts: _Counts,
    whole: _Counts,
    p_gathered: float,
    p_shifted: float,
    minimum: int,
) -> SliceResult:
    outside = whole.beyond - counts.beyond
    elsewhere = outside / max(whole.rows - counts.rows, 1)
    gathered = p_gathered <= ALPHA and counts.beyond >= GATHERED * elsewhere * counts.rows
    if counts.rows == 0:
        status, note = Status.FAIL, "no request is in this slice; a named slice must not be empty"
    elif gathered:
        status = Status.FAIL
        note = (
            f"{counts.beyond:,} of its {counts.rows:,} answers are beyond the tolerance, "
            f"{outside:,} of {whole.rows - counts.rows:,} elsewhere"
        )
    elif counts.rows < minimum:
        status, note = Status.INCONCLUSIVE, f"{counts.rows:,} requests, {minimum:,} are needed"
    elif p_shifted <= ALPHA:
        status, note = Status.FAIL, f"scores moved by {counts.shift:+.2%} as a whole"
    else:
        status, note = Status.PASS, ""
    return SliceResult(
        slice_,
        output,
        counts.rows,
        counts.beyond,
        outside,
        counts.max_abs,
        counts.bias,
        counts.shift,
        p_gathered,
        p_shifted,
        gathered,
        status,
        note,
    )


def _gathered(part: _Counts, whole: _Counts) -> float:
    """Chance that `part.beyond` or more of the bad rows fall into a part of that size."""
    total, bad, size = whole.rows, whole.beyond, part.rows
    if part.beyond == 0 or size in (0, total):
        return 1.0

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    every = log_choose(total, size)
    chance = 0.0
    for k in range(part.beyond, min(bad, size) + 1):
        if size - k > total - bad:
            continue
        term = math.exp(log_choose(bad, k) + log_choose(total - bad, size - k) - every)
        chance += term
        if term < chance * 1e-12:
            break
    return min(1.0, chance)


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


class _Store:
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

    def __enter__(self) -> _Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def counts(self, slice_: Slice, output: str) -> _Counts:
        """Count a slice of one output; shifts are tested over whole requests."""
        v1, v2, beyond = (_name(f"{output}.{part}") for part in ("v1", "v2", "beyond"))
        group = _name("group" if "group" in self.names else "row")
        up, down = f"{v2} - {1 + SHIFT_MARGIN} * {v1}", f"{1 - SHIFT_MARGIN} * {v1} - {v2}"
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
        return _Counts(
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
