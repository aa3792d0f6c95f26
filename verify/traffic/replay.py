"""Replaying recorded requests: v2's answers beside v1's, in one Parquet file, chunk by chunk."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from deepbird_v2.data import RecordBuffer
from verify.policy import Policy
from verify.stats.sequential import EValue
from verify.traffic.candidate import Asked, Candidate, ask
from verify.traffic.features import FeatureColumns
from verify.traffic.records import record_chunks
from verify.traffic.responses import Answers, Responses
from verify.verdict import Status

__all__ = ["Replay", "Replayed", "WorstRow"]

Floats = NDArray[np.float64]
WORST = 10


@dataclass(frozen=True, order=True)
class WorstRow:
    """A request that v2 answered out of tolerance, or not at all.

    Attributes:
        ratio: |v2 − v1| over what is allowed; infinite without an answer.
        row: Position in the requests, from 0.
        what: The output that is off, or the error.
        record: The encoded request.
        v1: v1's answers by output.
    """

    ratio: float
    row: int
    what: str = field(compare=False)
    record: bytes = field(compare=False, repr=False)
    v1: dict[str, float] = field(compare=False)


@dataclass
class Replayed:
    """What a replay counted; the answers themselves are in the file.

    Attributes:
        store: The comparison (see `Replay`).
        requests: Requests asked; `v1_rows` and `repeat_rows` are the answers recorded for them.
        failures: Requests that v2 did not answer; `first_failure` tells of one.
        beyond: Output → requests beyond the tolerance.
        evidence: The sequential test, where one was asked for.
        stopped: Whether it ended the replay early.
        worst: The worst requests, worst first.
        labelled: Whether every row has a label in [0, 1].
        grouped: Whether the rows belong to groups.
    """

    store: Path
    requests: int = 0
    v1_rows: int = 0
    repeat_rows: int | None = None
    failures: int = 0
    first_failure: str = ""
    beyond: dict[str, int] = field(default_factory=dict)
    evidence: EValue | None = None
    stopped: bool = False
    worst: list[WorstRow] = field(default_factory=list)
    labelled: bool = True
    grouped: bool = False


@dataclass
class Replay:
    """Asks a model what v1 was asked, and stores both answers.

    The file has a row a request: `row`, `label`, `group`, `failure` (what v2 raised), an output's
    `NAME.v1`, `NAME.v2`, `NAME.v1_repeat` (where given) and `NAME.beyond` (out of tolerance), and
    one column a named feature.

    Attributes:
        candidate: v2.
        requests: File of the requests.
        v1: v1's answers in the same order.
        outputs: Outputs to compare.
        policy: Tolerances.
        v1_repeat: v1's answers to the same requests, asked again.
        features: Features to store.
        group: A stored feature that says what a ranking belongs to; default: what `v1` says.
        allowed_rate: Rate of bad answers for the sequential test; None for none.
    """

    candidate: Candidate
    requests: Path
    v1: Responses
    outputs: Sequence[str]
    policy: Policy
    v1_repeat: Responses | None = None
    features: FeatureColumns = field(default_factory=lambda: FeatureColumns({}))
    group: str | None = None
    allowed_rate: float | None = None

    def run(self, store: Path) -> Replayed:
        """Replay all requests.

        Args:
            store: The Parquet file to write; it appears when it is complete.

        Raises:
            DataError: The requests or answers are damaged.
        """
        result = Replayed(store, beyond=dict.fromkeys(self.outputs, 0))
        if self.allowed_rate is not None:
            result.evidence = EValue(self.allowed_rate)
        if self.v1_repeat is not None:
            result.repeat_rows = 0
        scratch = store.with_name(f".{store.name}.tmp")
        writer = None
        try:
            for records in record_chunks(self.requests):
                table = self._chunk(records, result)
                writer = writer or pq.ParquetWriter(scratch, table.schema)
                writer.write_table(table)
                if result.evidence is not None and result.evidence.status is Status.FAIL:
                    result.stopped = True
                    break
            if writer is not None:
                writer.close()
                scratch.replace(store)
        finally:
            if writer is not None:
                writer.close()
            scratch.unlink(missing_ok=True)
        if not result.stopped:
            result.v1_rows += self.v1.remaining()
            if self.v1_repeat is not None and result.repeat_rows is not None:
                result.repeat_rows += self.v1_repeat.remaining()
        result.worst.sort(key=lambda entry: (-entry.ratio, entry.row))
        result.labelled = result.labelled and result.requests > 0
        return result

    def _chunk(self, records: RecordBuffer, result: Replayed) -> Any:
        rows, first = len(records), result.requests
        asked = ask(self.candidate, records)
        v1 = self.v1.take(rows)
        repeat = self.v1_repeat.take(rows) if self.v1_repeat else None
        features = self.features.columns(asked.records)
        result.requests += rows
        result.v1_rows += v1.rows
        if repeat is not None:
            result.repeat_rows = (result.repeat_rows or 0) + repeat.rows
        labels = asked.labels if asked.labels is not None else _padded(v1.labels, rows)
        result.labelled &= bool(np.all((labels >= 0.0) & (labels <= 1.0)))
        groups = features[self.group] if self.group else v1.groups
        result.grouped = groups is not None
        table = {"row": pa.array(np.arange(first, first + rows)), "label": pa.array(labels)}
        if groups is not None:
            table["group"] = _filled(groups, rows)
        table["failure"] = pa.array([asked.failures.get(i) for i in range(rows)], pa.string())
        ratio = np.zeros(rows)
        for name in self.outputs:
            ours, theirs = asked.columns[name], _padded(v1.columns.get(name), rows)
            over = self._ratio(name, theirs, ours)
            table |= {f"{name}.v1": pa.array(theirs), f"{name}.v2": pa.array(ours)}
            if repeat is not None:
                again = _padded(repeat.columns.get(name), rows)
                table[f"{name}.v1_repeat"] = pa.array(again)
            table[f"{name}.beyond"] = pa.array(over > 1.0)
            result.beyond[name] += int(np.count_nonzero(over > 1.0))
            ratio = np.maximum(ratio, over)
        self._count(ratio, asked, result)
        self._keep_worst(ratio, first, records, v1, asked, result)
        return pa.table(table | features)

    def _ratio(self, name: str, v1: Floats, v2: Floats) -> Floats:
        """|v2 − v1| over the tolerance; infinite where one of them is no number."""
        rule = self.policy.tolerance(dtype=np.float64, family="prediction", output=name)
        apart = np.abs(v2 - v1)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(apart == 0.0, 0.0, apart / rule.allowed(v1))
        return np.where(np.isfinite(v1) & np.isfinite(v2), ratio, np.inf)

    def _count(self, ratio: Floats, asked: Asked, result: Replayed) -> None:
        bad = int(np.count_nonzero(ratio > 1.0))
        result.failures += len(asked.failures)
        if asked.failures and not result.first_failure:
            result.first_failure = next(iter(asked.failures.values()))
        if result.evidence is not None:
            result.evidence = result.evidence.add(len(ratio) - bad, bad)

    def _keep_worst(
        self,
        ratio: Floats,
        first: int,
        records: RecordBuffer,
        v1: Answers,
        asked: Asked,
        result: Replayed,
    ) -> None:
        least = result.worst[0].ratio if len(result.worst) == WORST else 1.0
        candidates = np.flatnonzero(ratio > least)
        for at in candidates[np.argsort(-ratio[candidates], kind="stable")][:WORST].tolist():
            answers = {n: float(v[at]) for n, v in v1.columns.items() if at < len(v)}
            what = asked.failures.get(at) or "beyond the tolerance"
            entry = WorstRow(float(ratio[at]), first + at, what, records[at], answers)
            push = heapq.heappush if len(result.worst) < WORST else heapq.heappushpop
            push(result.worst, entry)


def _padded(values: Floats | None, rows: int) -> Floats:
    """Fill up with NaN where answers end before the requests do."""
    if values is None:
        return np.full(rows, np.nan)
    return np.pad(values, (0, rows - len(values)), constant_values=np.nan)


def _filled(groups: Any, rows: int) -> Any:
    return pa.concat_arrays([groups, pa.nulls(rows - len(groups), groups.type)])
