"""Block-format files as a tf.data pipeline, and batches as ragged tensors."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from deepbird_v2.data.sources import Group, decode_group, ordered_groups, shuffled_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from deepbird_v2.data.batch import Batch
    from deepbird_v2.data.config import FeatureConfig
    from deepbird_v2.data.decode import OnError

_LOG = logging.getLogger(__name__)
# Records that cross from Python to TensorFlow at a time: a crossing costs as much as decoding 300.
READ = 2048


def to_ragged(batch: Batch, *, with_field: bool = True) -> dict[str, tf.RaggedTensor]:
    """A batch as a model's inputs: ragged tensors of shape [B, None].

    Returns:
        "key" int64, "value" float64 and, if `with_field`, "field" int64.
    """
    columns = {"key": batch.key, "value": batch.value}
    if with_field:
        columns["field"] = batch.field
    return _ragged(tf.constant(batch.row_splits), columns)


def block_format_dataset(
    files: str | Path | Sequence[str | Path],
    config: FeatureConfig,
    batch_size: int,
    *,
    shuffle: bool = False,
    seed: int | None = None,
    shuffle_buffer: int = 10_000,
    repeat: bool = False,
    drop_remainder: bool = False,
    with_field: bool | None = None,
    strict: bool = True,
    on_error: OnError = "raise",
    workers: int = 1,
    prefetch: int = 2,
) -> tf.data.Dataset:
    """Read, shuffle, decode and batch DataRecords.

    Args:
        files: Block-format files, compressed or not.
        config: What to keep.
        batch_size: Records a batch; a batch may span files, never epochs, and is smaller where bad
            records were left out.
        shuffle: Shuffle the files, then records within a window. Each pass over the dataset has
            another order; with a seed, the n-th pass is always the same.
        seed: For `shuffle`; None draws one.
        shuffle_buffer: Records in the window.
        repeat: Go on for ever.
        drop_remainder: Leave out a last, smaller batch.
        with_field: Add the "field" input; None: if the config has splits.
        strict: See `deepbird_v2.data.decode_batch`.
        on_error: See `deepbird_v2.data.decode_batch`; skipped records are logged.
        workers: Threads that decode; order does not depend on it.
        prefetch: Batches to keep ready.

    Returns:
        A dataset of (inputs, labels), of (inputs, labels, weights) if the config has weights, or
        of inputs if it has no labels. Inputs are those of `to_ragged`; labels float32
        [B, n_labels]; weights float32 [B], or [B, n_weights] if there are several.

    Raises:
        ValueError: A size is not positive, or there are no files.
        FileNotFoundError: A file does not exist.
    """
    sizes = {"batch_size": batch_size, "shuffle_buffer": shuffle_buffer, "workers": workers}
    for name, number in sizes.items():
        if number < 1:
            raise ValueError(f"{name} must be positive, not {number}")
    paths = _existing(files)
    root = np.random.SeedSequence(seed)
    passes = itertools.count()
    rows = batch_size * max(1, READ // batch_size)

    def groups() -> Iterator[Group]:
        if not shuffle:
            return ordered_groups(paths, rows, strict=strict)
        this_pass = np.random.SeedSequence(root.entropy, spawn_key=(next(passes),))
        rng = np.random.default_rng(this_pass)
        return shuffled_groups(paths, rows, rng, shuffle_buffer, strict=strict)

    def decode(group: Group) -> Batch:
        return decode_group(group, config, strict=strict, on_error=on_error)

    def reads() -> Iterator[tuple[Any, ...]]:
        for _ in itertools.count() if repeat else range(1):
            for read in _map_in_order(decode, groups(), workers):
                yield _flat(read)

    flat = tf.data.Dataset.from_generator(reads, output_signature=_signature(config))
    field = bool(config.splits) if with_field is None else with_field
    cut = _cutter(batch_size, drop_remainder)
    return flat.flat_map(cut).map(_assembler(config, field)).prefetch(prefetch)


def _cutter(batch_size: int, drop_remainder: bool) -> Callable[..., tf.data.Dataset]:
    """A function from the flat columns of many rows to a dataset of those of its batches."""

    def cut(splits: tf.Tensor, *columns: tf.Tensor) -> tf.data.Dataset:
        rows = tf.size(splits, tf.int64) - 1
        end = rows - (batch_size - 1 if drop_remainder else 0)

        def batch(first: tf.Tensor) -> tuple[tf.Tensor, ...]:
            last = tf.minimum(first + batch_size, rows)
            low, high = splits[first], splits[last]
            entries = (column[low:high] for column in columns[:3])  # key, value, field
            rest = (column[first:last] for column in columns[3:])  # labels, weights
            return (splits[first : last + 1] - low, *entries, *rest)

        return tf.data.Dataset.range(0, end, batch_size).map(batch)

    return cut


def _assembler(config: FeatureConfig, with_field: bool) -> Callable[..., Any]:
    """A function from flat columns to what the dataset yields."""

    def assemble(
        splits: tf.Tensor,
        key: tf.Tensor,
        value: tf.Tensor,
        field: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor,
    ) -> Any:
        columns = {"key": key, "value": value}
        inputs = _ragged(splits, columns | ({"field": field} if with_field else {}))
        if not config.labels:
            return inputs
        if not config.weights:
            return inputs, labels
        return inputs, labels, weights[:, 0] if len(config.weights) == 1 else weights

    return assemble


def _existing(files: str | Path | Sequence[str | Path]) -> list[Path]:
    given = [files] if isinstance(files, str | Path) else files
    paths = [Path(file) for file in given]
    if not paths:
        raise ValueError("no files to read")
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file")
    return paths


def _ragged(splits: tf.Tensor, columns: dict[str, Any]) -> dict[str, tf.RaggedTensor]:
    return {
        name: tf.RaggedTensor.from_row_splits(column, splits, validate=False)
        for name, column in columns.items()
    }


def _flat(batch: Batch) -> tuple[Any, ...]:
    if batch.errors:
        _LOG.warning("left out %d bad records: %s", len(batch.errors), batch.errors[0])
    columns = (batch.row_splits, batch.key, batch.value, batch.field)
    return (*columns, batch.labels, batch.weights)


def _signature(config: FeatureConfig) -> tuple[tf.TensorSpec, ...]:
    return (
        tf.TensorSpec([None], tf.int64, name="row_splits"),
        tf.TensorSpec([None], tf.int64, name="key"),
        tf.TensorSpec([None], tf.float64, name="value"),
        tf.TensorSpec([None], tf.int64, name="field"),
        tf.TensorSpec([None, len(config.labels)], tf.float32, name="labels"),
        tf.TensorSpec([None, len(config.weights)], tf.float32, name="weights"),
    )


def _map_in_order(function: Any, items: Iterable[Any], workers: int) -> Iterator[Any]:
    """Map over items with threads, results in order, two items a worker under way."""
    if workers == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="deepbird-decode") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
