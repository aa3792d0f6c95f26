"""Files of records in training order: batches of record references, shuffled or not.

Order is a function of the files, the seed and the epoch alone, whatever decodes the batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deepbird_v2.data.batch import Batch
from deepbird_v2.data.block_format import read_records
from deepbird_v2.data.decode import OnError, decode_batch
from deepbird_v2.data.errors import DataError, DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from deepbird_v2.data.config import FeatureConfig
    from deepbird_v2.data.records import RecordBuffer


@dataclass(frozen=True, eq=False)
class Source:
    """The records of one file."""

    path: Path
    records: RecordBuffer

    @classmethod
    def read(cls, path: Path, *, strict: bool) -> Source:
        """Read a block-format file."""
        return cls(path, read_records(path, strict=strict))


@dataclass(frozen=True, eq=False)
class Run:
    """Neighbouring records of one file, decoded without a copy."""

    source: Source
    start: int
    stop: int

    def decode(self, config: FeatureConfig, *, strict: bool, on_error: OnError) -> Batch:
        """Decode the run; an error names the file and the record's place in it."""
        records = self.source.records[self.start : self.stop]
        try:
            return decode_batch(records, config, strict=strict, on_error=on_error)
        except DecodeError as error:
            raise _located(error, self.source, self.start + (error.record or 0)) from error


@dataclass(frozen=True, eq=False)
class Picks:
    """Records from anywhere."""

    picks: Sequence[tuple[Source, int]]

    def decode(self, config: FeatureConfig, *, strict: bool, on_error: OnError) -> Batch:
        """Decode the records; see `Run.decode`."""
        records = [source.records[index] for source, index in self.picks]
        try:
            return decode_batch(records, config, strict=strict, on_error=on_error)
        except DecodeError as error:
            raise _located(error, *self.picks[error.record or 0]) from error


Group = list[Run] | list[Picks]


def decode_group(group: Group, config: FeatureConfig, *, strict: bool, on_error: OnError) -> Batch:
    """Decode the parts of one batch."""
    parts = [part.decode(config, strict=strict, on_error=on_error) for part in group]
    return parts[0] if len(parts) == 1 else Batch.concat(parts)


def ordered_groups(files: Sequence[Path], batch_size: int, *, strict: bool) -> Iterator[Group]:
    """Batches in file order; a batch may span files, the last may be smaller."""
    group: list[Run] = []
    room = batch_size
    for path in files:
        source = Source.read(path, strict=strict)
        start = 0
        while start < len(source.records):
            stop = min(start + room, len(source.records))
            group.append(Run(source, start, stop))
            room -= stop - start
            start = stop
            if not room:
                yield group
                group, room = [], batch_size
    if group:
        yield group


def shuffled_groups(
    files: Sequence[Path], batch_size: int, rng: np.random.Generator, buffer: int, *, strict: bool
) -> Iterator[Group]:
    """Batches of records drawn at random from a window of `buffer` records over shuffled files."""
    ready: list[tuple[Source, int]] = []
    for pick in _window(files, rng, buffer, strict):
        ready.append(pick)
        if len(ready) == batch_size:
            yield [Picks(ready)]
            ready = []
    if ready:
        yield [Picks(ready)]


def _window(
    files: Sequence[Path], rng: np.random.Generator, buffer: int, strict: bool
) -> Iterator[tuple[Source, int]]:
    window: list[tuple[Source, int]] = []
    for at in rng.permutation(len(files)).tolist():
        source = Source.read(files[at], strict=strict)
        slots = rng.integers(buffer, size=len(source.records)).tolist()
        for index, slot in enumerate(slots):
            if len(window) < buffer:
                window.append((source, index))
            else:
                yield window[slot]
                window[slot] = (source, index)
    for at in rng.permutation(len(window)).tolist():
        yield window[at]


def _located(error: DecodeError, source: Source, index: int) -> DataError:
    return DataError(f"{source.path}: record {index}, byte {error.offset}: {error.reason}")
