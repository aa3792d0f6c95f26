"""Features of requests as columns, so that slices can be named in SQL.

Only features that somebody names become columns. Numbers come straight from the decoder; text is
known to it by its hash alone, so that one record a distinct value is decoded in full. Values of one
feature that hash alike are one value here, as they are to the model.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from deepbird_v2.data import FeatureConfig, FeatureKind, RecordBuffer, decode_batch, feature_id
from deepbird_v2.data.errors import DataError
from deepbird_v2.data.feature_ids import discrete_keys, string_keys
from deepbird_v2.data.features import Feature
from deepbird_v2.data.record import DataRecord, decode_record
from verify.traffic.records import record_chunks

__all__ = ["FeatureColumns"]

_TYPES = {
    FeatureKind.BINARY: pa.bool_(),
    FeatureKind.CONTINUOUS: pa.float64(),
    FeatureKind.DISCRETE: pa.int64(),
    FeatureKind.STRING: pa.string(),
    FeatureKind.SPARSE_BINARY: pa.list_(pa.string()),
    FeatureKind.SPARSE_CONTINUOUS: pa.map_(pa.string(), pa.float64()),
}
Keyed = Callable[[DataRecord, int], dict[int, Any]]


def _discrete(record: DataRecord, id_: int) -> dict[int, Any]:
    value = record.discrete[id_]
    return {int(discrete_keys(id_, [value])[0]): value}


def _texts(values: Iterable[bytes], id_: int) -> dict[int, Any]:
    listed = list(values)
    keys = string_keys(id_, listed)
    return {int(k): v.decode("utf-8", "replace") for k, v in zip(keys, listed, strict=True)}


# How a record's values of a feature are found under their keys.
_KEYED: dict[FeatureKind, Keyed] = {
    FeatureKind.DISCRETE: _discrete,
    FeatureKind.STRING: lambda record, id_: _texts([record.string[id_]], id_),
    FeatureKind.SPARSE_BINARY: lambda record, id_: _texts(record.sparse_binary[id_], id_),
    FeatureKind.SPARSE_CONTINUOUS: lambda record, id_: _texts(record.sparse_continuous[id_], id_),
}


@dataclass
class FeatureColumns:
    """Turns chunks of records into columns.

    Attributes:
        kinds: Feature name → the wire field it travels in.
    """

    kinds: Mapping[str, FeatureKind]
    _known: dict[tuple[int, int], Any] = field(default_factory=dict, repr=False)

    @classmethod
    def find(
        cls, path: str | Path, names: Iterable[str], known: Iterable[str] = ()
    ) -> FeatureColumns:
        """Look for features in the requests, as far into the file as needed.

        Args:
            path: The requests.
            names: Feature names.
            known: Names that may have been meant, for the error.

        Raises:
            DataError: No record has a feature of that name.
        """
        missing = {feature_id(name): name for name in names}
        config, kinds = _config(missing), {}
        for records in record_chunks(path) if missing else ():
            batch = decode_batch(records, config)
            for id_ in [i for i in missing if (batch.field == i).any()]:
                kind = batch.kind[np.argmax(batch.field == id_)]
                kinds[missing.pop(id_)] = FeatureKind(int(kind))
            if not missing:
                break
        for name in missing.values():
            near = difflib.get_close_matches(name, list(known), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise DataError(f"{path}: no request has a feature {name!r}{hint}")
        return cls(kinds)

    @property
    def schema(self) -> list[tuple[str, Any]]:
        """(name, Arrow type) of every column."""
        return [(name, _TYPES[kind]) for name, kind in self.kinds.items()]

    def columns(self, records: RecordBuffer) -> dict[str, Any]:
        """Feature name → Arrow array [records], null where a record lacks the feature.

        Raises:
            DecodeError: A record is malformed.
        """
        if not self.kinds:
            return {}
        ids = {name: feature_id(name) for name in self.kinds}
        batch = decode_batch(records, _config({i: n for n, i in ids.items()}))
        row, found = batch.row, {}
        for name, kind in self.kinds.items():
            mine = (batch.field == ids[name]) & (batch.kind == kind)
            part = row[mine], batch.key[mine], batch.value[mine]
            found[name] = self._column(records, ids[name], kind, *part)
        return found

    def _column(
        self, records: RecordBuffer, id_: int, kind: FeatureKind, row: Any, key: Any, value: Any
    ) -> Any:
        rows = len(records)
        if kind == FeatureKind.BINARY:  # a binary feature is there or is not
            return pa.array(np.isin(np.arange(rows), row))
        at = np.full(rows, -1)
        at[row] = np.arange(len(row))
        if kind == FeatureKind.CONTINUOUS:
            return pa.array(np.append(value, np.nan)[at], mask=at < 0)
        content = self._content(records, id_, kind, row, key)
        if kind in (FeatureKind.DISCRETE, FeatureKind.STRING):
            return content.take(pa.array(at, mask=at < 0))
        offsets = pa.array(np.searchsorted(row, np.arange(rows + 1)).astype(np.int32))
        if kind == FeatureKind.SPARSE_BINARY:
            return pa.ListArray.from_arrays(offsets, content)
        return pa.MapArray.from_arrays(offsets, content, pa.array(value))

    def _content(
        self, records: RecordBuffer, id_: int, kind: FeatureKind, row: Any, key: Any
    ) -> Any:
        """What the keys stand for, an Arrow array [keys]."""
        distinct, first, of_key = np.unique(key, return_index=True, return_inverse=True)
        for k, at in zip(distinct.tolist(), row[first].tolist(), strict=True):
            if (id_, k) not in self._known:
                found = _KEYED[kind](decode_record(records[at]), id_)
                self._known.update({(id_, own): content for own, content in found.items()})
        values = [self._known[id_, k] for k in distinct.tolist()]
        type_ = pa.int64() if kind == FeatureKind.DISCRETE else pa.string()
        return pa.array(values, type_).take(pa.array(of_key))


def _config(names: Mapping[int, str]) -> FeatureConfig:
    return FeatureConfig(tuple(Feature(id_, name) for id_, name in names.items()))
