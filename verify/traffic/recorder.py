"""Recording live requests with v1's answers, to be replayed later against any candidate.

A recording is Parquet: `request_id`, `record` (the encoded DataRecord), `feature_hash` (of the
record as it is stored) and one column an output. Its metadata says which model answered, how
requests were sampled, and which features were taken out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from deepbird_v2.data import feature_id
from deepbird_v2.data.record import decode_record, encode_record

__all__ = ["Recorder", "RecordingInfo", "feature_hash"]

_METADATA = b"deepbird.recording"
_ROWS = 4096


@dataclass(frozen=True)
class RecordingInfo:
    """How a recording was made.

    Attributes:
        model: What answered.
        rate: Share of requests that were recorded, in (0, 1].
        seed: Of the choice. With one rate and seed, every process chooses the same requests.
        scrubbed: Names of features that were taken out of every record.
    """

    model: str
    rate: float = 1.0
    seed: int = 0
    scrubbed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 < self.rate <= 1.0:
            raise ValueError(f"a sampling rate is in (0, 1], not {self.rate}")

    def chooses(self, request_id: str) -> bool:
        """Say whether a request belongs to the sample."""
        key = self.seed.to_bytes(8, "big", signed=True)
        digest = hashlib.blake2b(request_id.encode(), digest_size=8, key=key).digest()
        return int.from_bytes(digest, "big") < self.rate * 2.0**64

    @classmethod
    def read(cls, path: str | Path) -> Self | None:
        """Return what a Parquet file says of itself; None if it is no recording."""
        metadata = pq.read_schema(path).metadata or {}
        if _METADATA not in metadata:
            return None
        content = json.loads(metadata[_METADATA])
        return cls(**content | {"scrubbed": tuple(content["scrubbed"])})


def feature_hash(record: bytes) -> str:
    """Return a hash of an encoded record, hexadecimal."""
    return hashlib.blake2b(record, digest_size=16).hexdigest()


class Recorder:
    """Writes a recording; the file appears when the `with` block ends well.

    Args:
        path: The Parquet file.
        outputs: Names of v1's outputs.
        info: How requests are chosen and scrubbed.

    Example:
        with Recorder("traffic.parquet", ["score"], RecordingInfo("v1", rate=0.01)) as recorder:
            recorder.add(request_id, record, {"score": 0.31})
    """

    def __init__(self, path: str | Path, outputs: Sequence[str], info: RecordingInfo) -> None:
        self.path, self.outputs, self.info = Path(path), tuple(outputs), info
        self._scratch = self.path.with_name(f".{self.path.name}.tmp")
        self._scrub = frozenset(feature_id(name) for name in info.scrubbed)
        self._rows: list[dict[str, Any]] = []
        fields = [
            ("request_id", pa.string()),
            ("record", pa.binary()),
            ("feature_hash", pa.string()),
        ]
        schema = pa.schema([*fields, *((name, pa.float64()) for name in self.outputs)])
        self._schema = schema.with_metadata({_METADATA: json.dumps(asdict(info)).encode()})
        self._writer = pq.ParquetWriter(self._scratch, self._schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        if kind is None:
            self._scratch.replace(self.path)
        else:
            self._scratch.unlink()

    def add(self, request_id: str, record: bytes, scores: Mapping[str, float]) -> bool:
        """Record a request if it is chosen.

        Args:
            request_id: Names the request; with the seed it decides the choice.
            record: The encoded DataRecord.
            scores: v1's answers; a missing one is stored as null.

        Returns:
            Whether it was chosen.
        """
        if not self.info.chooses(request_id):
            return False
        record = _scrubbed(record, self._scrub) if self._scrub else record
        row = {"request_id": request_id, "record": record, "feature_hash": feature_hash(record)}
        self._rows.append(row | {name: scores.get(name) for name in self.outputs})
        if len(self._rows) >= _ROWS:
            self._flush()
        return True

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
            self._rows.clear()


def _scrubbed(record: bytes, ids: frozenset[int]) -> bytes:
    content = decode_record(record)
    content.binary -= ids
    for name, values in vars(content).items():
        if name != "binary":
            for id_ in ids & values.keys():
                del values[id_]
    return encode_record(content)
