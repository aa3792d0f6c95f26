"""Single features as dense arrays, a row a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from deepbird_v2.data.features import FeatureKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from deepbird_v2.data.batch import Batch
    from deepbird_v2.data.record import DataRecord

# Kind -> attribute of DataRecord, dtype.
_KINDS: Final[dict[FeatureKind, tuple[str, type]]] = {
    FeatureKind.CONTINUOUS: ("continuous", np.float64),
    FeatureKind.DISCRETE: ("discrete", np.int64),
    FeatureKind.STRING: ("string", object),
}


def dense_values(batch: Batch, ids: Sequence[int], *, default: float = 0.0) -> NDArray[np.float64]:
    """Binary (1 where present) and continuous features of a batch, float64 [B, n].

    Args:
        batch: Decoded records; common features count.
        ids: n distinct feature ids, in column order.
        default: The value of an absent feature.
    """
    out = np.full((len(batch), len(ids)), default, np.float64)
    row = batch.row
    numeric = batch.kind <= FeatureKind.CONTINUOUS
    for column, id_ in enumerate(ids):
        mine = numeric & (batch.field == id_)
        out[row[mine], column] = batch.value[mine]
    return out


def dense_column(
    records: Sequence[DataRecord], id_: int, kind: FeatureKind, *, default: Any
) -> NDArray[Any]:
    """One feature of decoded records, [B]: float64, int64, or objects (bytes) for strings.

    Args:
        records: The records; the common features of a request are not among them.
        id_: The feature.
        kind: CONTINUOUS, DISCRETE, STRING, or BINARY, which gives bool and takes no default.
        default: The value of an absent feature.

    Raises:
        ValueError: The kind has several values a record.
    """
    if kind == FeatureKind.BINARY:
        return np.array([id_ in record.binary for record in records], np.bool_)
    if kind not in _KINDS:
        raise ValueError(f"{kind.name.lower()} features have several values a record")
    name, dtype = _KINDS[kind]
    out: NDArray[Any] = np.empty(len(records), dtype)
    out[:] = [getattr(record, name).get(id_, default) for record in records]
    return out
