"""DataRecords for training in v1's order: all of them in memory, permuted by Torch's stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from deepbird_v2.data.block_format import read_records
from deepbird_v2.data.config import FeatureConfig
from deepbird_v2.data.dataset import to_ragged
from deepbird_v2.data.decode import decode_batch
from deepbird_v2.training.torch_stream import TorchStream

__all__ = ["v1_batches"]


def v1_batches(
    files: Sequence[str | Path],
    features: FeatureConfig,
    batch_size: int,
    stream: TorchStream,
    *,
    shuffle: bool,
    in_order_of: int = 0,
) -> Iterator[tuple[Any, Any]]:
    """Batches without end, pass after pass.

    Args:
        files: of DataRecords.
        features: what to keep.
        batch_size: records a batch; the last of a pass has what is left.
        stream: each pass that shuffles draws a permutation from it.
        shuffle: permute the records of every pass.
        in_order_of: the files hold records as v1 came to them, after it permuted so many: the
            permutations are drawn, and the order stays.

    Yields:
        (ragged inputs, labels [B, n]).

    Raises:
        ValueError: the files hold no records.
    """
    records = [record for file in files for record in read_records(file)]
    if not records:
        raise ValueError(f"{', '.join(map(str, files))}: no records to train on")
    while True:
        order: Sequence[int] = range(len(records))
        if in_order_of:
            stream.permutation(in_order_of)
        elif shuffle:
            order = stream.permutation(len(records)).tolist()
        for start in range(0, len(records), batch_size):
            chosen = [records[i] for i in order[start : start + batch_size]]
            batch = decode_batch(chosen, features)
            yield to_ragged(batch, with_field=bool(features.splits)), batch.labels
