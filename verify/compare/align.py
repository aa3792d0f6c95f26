"""Bringing two prediction sets into one order: by id, or by position where there are no ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from verify.verdict import Check, Stage, Status

if TYPE_CHECKING:
    from verify.predictions import PredictionSet

Rows = NDArray[np.int64]
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Alignment:
    """Which row of v2 answers which row of v1.

    Attributes:
        v1_rows: Rows of v1 with exactly one partner, ascending.
        v2_rows: Their partners.
        v1_only, v2_only: Rows without a partner.
        v1_repeated, v2_repeated: Rows whose id occurs more than once on their own side.
        by_id: False for a join by position.
    """

    v1_rows: Rows
    v2_rows: Rows
    v1_only: Rows
    v2_only: Rows
    v1_repeated: Rows
    v2_repeated: Rows
    by_id: bool = True

    @property
    def complete(self) -> bool:
        """Whether every row of both sides has exactly one partner."""
        return not (
            len(self.v1_only) or len(self.v2_only) or len(self.v1_repeated) or len(self.v2_repeated)
        )

    @property
    def identical(self) -> bool:
        """Whether both sides already stand in one order."""
        return self.complete and bool(np.array_equal(self.v1_rows, self.v2_rows))


def align(v1_ids: Any, v2_ids: Any) -> Alignment:
    """Join two arrays of ids.

    Args:
        v1_ids: Arrow array of v1's ids (no nulls).
        v2_ids: Arrow array of v2's ids. Integers beside strings are compared as strings.

    Returns:
        The alignment; a repeated id has no partner, whatever stands on the other side.
    """
    v1, v2 = _codes(v1_ids, v2_ids)
    if len(v1) == len(v2) and np.array_equal(v1, v2) and _unique(v1):
        rows, none = np.arange(len(v1)), np.zeros(0, np.int64)
        return Alignment(rows, rows, none, none, none, none)
    order1, order2 = np.argsort(v1, kind="stable"), np.argsort(v2, kind="stable")
    sorted1, sorted2 = v1[order1], v2[order2]
    repeated1, repeated2 = _repeated(sorted1), _repeated(sorted2)
    found1, found2 = _contains(sorted2, sorted1), _contains(sorted1, sorted2)
    # an id repeated on the other side has no partner either, and is reported there
    single1 = found1 & ~repeated1 & ~_contains(sorted2[repeated2], sorted1)
    single2 = found2 & ~repeated2 & ~_contains(sorted1[repeated1], sorted2)
    v1_rows, v2_rows = order1[single1], order2[single2]
    by_position = np.argsort(v1_rows, kind="stable")
    return Alignment(
        v1_rows=v1_rows[by_position],
        v2_rows=v2_rows[by_position],
        v1_only=np.sort(order1[~found1]),
        v2_only=np.sort(order2[~found2]),
        v1_repeated=np.sort(order1[repeated1]),
        v2_repeated=np.sort(order2[repeated2]),
    )


def join(v1: PredictionSet, v2: PredictionSet) -> tuple[Alignment | None, Check]:
    """Align two prediction sets and judge the join.

    Args:
        v1: Predictions of v1.
        v2: Predictions of v2.

    Returns:
        The alignment (None when there is no way to join) and the check of the join stage: PASS
        only if every row has exactly one partner.
    """
    if v1.rows == 0 or v2.rows == 0:
        empty = " and ".join(r for r, s in (("v1", v1), ("v2", v2)) if s.rows == 0)
        return None, _check(Status.NOT_COMPARABLE, f"{empty} has no rows")
    if (v1.ids is None) != (v2.ids is None):
        without = "v1" if v1.ids is None else "v2"
        return None, _check(
            Status.NOT_COMPARABLE,
            f"{without} has no ids and the other side has; name its id column",
        )
    if v1.ids is None:
        if v1.rows != v2.rows:
            return None, _check(
                Status.NOT_COMPARABLE,
                f"without ids rows are joined by position, and there are {v1.rows:,} of v1 and "
                f"{v2.rows:,} of v2",
            )
        rows, none = np.arange(v1.rows), np.zeros(0, np.int64)
        return Alignment(rows, rows, none, none, none, none, by_id=False), _check(
            Status.PASS, f"{v1.rows:,} rows joined by position; neither side has ids"
        )
    alignment = align(v1.ids, v2.ids)
    return alignment, _judge(alignment, v1, v2)


def _judge(alignment: Alignment, v1: PredictionSet, v2: PredictionSet) -> Check:
    numbers = {
        "matched": len(alignment.v1_rows),
        "v1_only": len(alignment.v1_only),
        "v2_only": len(alignment.v2_only),
        "v1_repeated": len(alignment.v1_repeated),
        "v2_repeated": len(alignment.v2_repeated),
    }
    if alignment.complete:
        kind = "the same order" if alignment.identical else "another order in v2"
        return _check(Status.PASS, f"{v1.rows:,} rows joined by id, {kind}", numbers)
    problems = [
        f"{len(rows):,} rows of {role} {what} ({', '.join(_examples(side, rows))})"
        for role, what, side, rows in (
            ("v1", "share an id with another", v1, alignment.v1_repeated),
            ("v2", "share an id with another", v2, alignment.v2_repeated),
            ("v1", "are missing in v2", v1, alignment.v1_only),
            ("v2", "are missing in v1", v2, alignment.v2_only),
        )
        if len(rows)
    ]
    detail = f"{len(alignment.v1_rows):,} rows joined by id; {'; '.join(problems)}"
    return _check(Status.NOT_COMPARABLE, detail, numbers)


def _examples(side: PredictionSet, rows: Rows) -> list[str]:
    names = [side.row_name(int(row)) for row in rows[:_EXAMPLES]]
    return [*names, "…"] if len(rows) > _EXAMPLES else names


def _check(status: Status, detail: str, numbers: dict[str, Any] | None = None) -> Check:
    return Check("rows", Stage.JOIN, status, detail, numbers or {})


def _codes(v1_ids: Any, v2_ids: Any) -> tuple[Rows, Rows]:
    """Turn both sides' ids into integers that are equal where the ids are."""
    if v1_ids.type == v2_ids.type and pa.types.is_integer(v1_ids.type):
        return v1_ids.to_numpy(), v2_ids.to_numpy()
    if v1_ids.type != v2_ids.type:
        v1_ids, v2_ids = _as_bytes(v1_ids), _as_bytes(v2_ids)
    codes = pc.dictionary_encode(pa.concat_arrays([v1_ids, v2_ids])).indices.to_numpy()
    return codes[: len(v1_ids)], codes[len(v1_ids) :]


def _as_bytes(ids: Any) -> Any:
    text = ids.cast(pa.large_string()) if pa.types.is_integer(ids.type) else ids
    return text.cast(pa.large_binary())


def _unique(ids: Rows) -> bool:
    if len(ids) < 2 or bool(np.all(ids[1:] > ids[:-1])):
        return True
    ordered = np.sort(ids)
    return not bool(np.any(ordered[1:] == ordered[:-1]))


def _repeated(ordered: Rows) -> NDArray[np.bool_]:
    same = ordered[1:] == ordered[:-1]
    return (
        np.concatenate((same, [False])) | np.concatenate(([False], same))
        if len(ordered)
        else (np.zeros(0, np.bool_))
    )


def _contains(ordered: Rows, wanted: Rows) -> NDArray[np.bool_]:
    """Mark the wanted values (ascending, as `ordered` is) that occur in `ordered`."""
    if not len(ordered):
        return np.zeros(len(wanted), np.bool_)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    found: NDArray[np.bool_] = ordered[at] == wanted
    return found
