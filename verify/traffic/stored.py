"""The stored comparison, read back as sets of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from verify.predictions import PredictionSet

__all__ = ["MOST_ROWS", "Stored", "load_stored"]

# Rows that order, quality and distribution are computed on; beyond, whole requests are sampled.
MOST_ROWS = 2_000_000
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Stored:
    """Answered requests.

    Attributes:
        rows: Position of each in the traffic, [rows].
        v1, v2: Output → float64 [rows].
        v1_repeat: The same of v1's second run; empty without one.
        labels: float64 [rows], or None.
        groups: Request of each row from 0 without gaps, [rows], or None; `group_names` names them.
        sampled: Whether this is a sample of the traffic.
    """

    rows: NDArray[np.int64]
    v1: dict[str, NDArray[np.float64]]
    v2: dict[str, NDArray[np.float64]]
    v1_repeat: dict[str, NDArray[np.float64]]
    labels: NDArray[np.float64] | None
    groups: NDArray[np.int64] | None
    group_names: list[str]
    sampled: bool

    def row_name(self, at: int) -> str:
        """Name a row by its place in the traffic."""
        return f"row {self.rows[at]}"

    def sets(self, v1: str, v2: str) -> tuple[PredictionSet, PredictionSet]:
        """Both sides as prediction sets; rows are joined by position where none is left out."""
        whole = bool(np.array_equal(self.rows, np.arange(len(self.rows))))
        ids = None if whole else self.rows
        groups = None if self.groups is None else np.array(self.group_names)[self.groups]
        first = PredictionSet.from_arrays(
            self.v1, ids=ids, labels=self.labels, groups=groups, source=v1
        )
        return first, PredictionSet.from_arrays(self.v2, ids=ids, source=v2)


def load_stored(
    store: Path, outputs: Sequence[str], *, labelled: bool, most_rows: int = MOST_ROWS
) -> Stored:
    """Read the requests that v2 answered, or a sample of them.

    Args:
        store: What `Replay` wrote.
        outputs: Outputs to read.
        labelled: Whether every row has a label.
        most_rows: Read about so many rows; requests are taken whole, by a hash of their name.
    """
    with pq.ParquetFile(store) as file:
        total, names = file.metadata.num_rows, file.schema_arrow.names
        wanted = ["row", "failure", *(("label",) if labelled else ())]
        wanted += ["group"] if "group" in names else []
        wanted += [
            column
            for name in outputs
            for column in (f"{name}.v1", f"{name}.v2", f"{name}.v1_repeat")
            if column in names
        ]
        one_in = -(-total // most_rows)
        parts = [_chosen(part, one_in) for part in file.iter_batches(65_536, columns=wanted)]
    table = pa.Table.from_batches(parts)
    values = {name: table[name].to_numpy() for name in table.column_names if "." in name}
    groups, group_names = None, []
    if "group" in table.column_names:
        coded = pc.dictionary_encode(table["group"].combine_chunks(), null_encoding="encode")
        groups = coded.indices.to_numpy().astype(np.int64)
        group_names = [str(name) for name in coded.dictionary.to_pylist()]

    def role(suffix: str) -> dict[str, NDArray[np.float64]]:
        keys = {name: f"{name}.{suffix}" for name in outputs}
        return {name: values[key] for name, key in keys.items() if key in values}

    return Stored(
        rows=table["row"].to_numpy(),
        v1=role("v1"),
        v2=role("v2"),
        v1_repeat=role("v1_repeat"),
        labels=table["label"].to_numpy() if labelled else None,
        groups=groups,
        group_names=group_names,
        sampled=one_in > 1,
    )


def _chosen(batch: Any, one_in: int) -> Any:
    """Rows that v2 answered and whose request is in the sample."""
    keep = batch.column("failure").is_null().to_numpy(zero_copy_only=False)
    if one_in > 1:
        key = batch.column("group" if "group" in batch.schema.names else "row")
        keep &= _hashes(key) % np.uint64(one_in) == 0
    return batch if keep.all() else batch.filter(pa.array(keep))


def _hashes(keys: Any) -> NDArray[np.uint64]:
    """A hash a key that is the same in every chunk and run."""
    if pa.types.is_integer(keys.type):
        numbers = keys.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    else:
        from deepbird_v2.data import feature_ids

        coded = pc.dictionary_encode(keys, null_encoding="encode")
        names = [str(name) for name in coded.dictionary.to_pylist()]
        numbers = feature_ids(names)[coded.indices.to_numpy()]
    return (numbers.view(np.uint64) * _SPREAD) >> np.uint64(40)
