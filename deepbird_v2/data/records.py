"""Many encoded records in one buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class RecordBuffer:
    """Encoded records inside one buffer: record i is ``data[starts[i]:ends[i]]``.

    Attributes:
        data: The buffer; it may hold other bytes between records.
        starts: int64 [n].
        ends: int64 [n].
    """

    data: bytes | memoryview
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __post_init__(self) -> None:
        starts, ends = self.starts, self.ends
        if starts.shape != ends.shape or starts.ndim != 1:
            raise ValueError(f"starts {starts.shape} and ends {ends.shape}: want two equal vectors")
        if len(starts) and (
            starts.min() < 0 or (ends < starts).any() or ends.max() > len(self.data)
        ):
            raise ValueError(f"a record lies outside its buffer of {len(self.data)} bytes")

    @classmethod
    def from_offsets(cls, data: bytes | memoryview, offsets: ArrayLike) -> RecordBuffer:
        """Adjacent records: record i is ``data[offsets[i]:offsets[i + 1]]``."""
        bounds = np.asarray(offsets, np.int64)
        return cls(data, bounds[:-1], bounds[1:])

    @classmethod
    def join(cls, records: Iterable[bytes]) -> RecordBuffer:
        """Copy records into one buffer."""
        parts = list(records)
        offsets = np.zeros(len(parts) + 1, np.int64)
        np.cumsum([len(part) for part in parts], out=offsets[1:])
        return cls.from_offsets(b"".join(parts), offsets)

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[bytes]:
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            yield bytes(self.data[start:end])

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice | NDArray[np.int64]) -> RecordBuffer: ...
    def __getitem__(self, index: int | slice | NDArray[np.int64]) -> bytes | RecordBuffer:
        """One record, or some of them over the same buffer (a slice, or an array of positions)."""
        if isinstance(index, int):
            return bytes(self.data[int(self.starts[index]) : int(self.ends[index])])
        return RecordBuffer(self.data, self.starts[index], self.ends[index])
