from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from deepbird_v2.data import (
    Feature,
    FeatureConfig,
    Split,
    decode_batch,
    encode_predictions,
    read_records,
    write_records,
)

tf = pytest.importorskip("tensorflow")

from deepbird_v2.data.dataset import block_format_dataset, to_ragged  # noqa: E402  # after the skip

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = FeatureConfig(features=(Feature(1), Feature(2)), labels=(Feature(9),))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """23 records: feature 1 counts up, feature 2 is its square, the label its parity."""
    path = tmp_path / "part-0.lzo"
    count = np.arange(23)
    write_records(path, encode_predictions({1: count, 2: count**2, 9: count % 2, 8: count / 4}))
    return path


def first_values(dataset: Any) -> list[float]:
    found: list[float] = []
    for inputs, _ in dataset:
        found.extend(inputs["value"].numpy()[:, 0])
    return found


def test_elements(file: Path) -> None:
    dataset = block_format_dataset(file, CONFIG, 10)
    (inputs, labels), *_, (last, _) = list(dataset)
    assert sorted(inputs) == ["key", "value"]
    assert inputs["key"].dtype == tf.int64
    assert inputs["value"].dtype == tf.float64
    assert inputs["key"].shape.as_list() == [10, None]
    assert inputs["value"].to_list()[3] == [3.0, 9.0]
    assert labels.numpy().ravel().tolist() == [0, 1] * 5
    assert last["key"].nrows() == 3
    assert first_values(dataset) == list(range(23))


def test_options(file: Path) -> None:
    weighted = CONFIG.replace(weights=(Feature(8),), splits=(Split("a", (1,)),))
    inputs, labels, weights = next(iter(block_format_dataset([file], weighted, 4)))
    assert inputs["field"].to_list()[0] == [1, 2]
    assert labels.shape == (4, 1)
    assert weights.numpy().tolist() == [0, 0.25, 0.5, 0.75]
    two = CONFIG.replace(weights=(Feature(8), Feature(7)))
    assert next(iter(block_format_dataset(file, two, 4)))[2].shape == (4, 2)
    bare = next(iter(block_format_dataset(file, CONFIG.replace(labels=()), 4)))
    assert sorted(bare) == ["key", "value"]
    assert len(list(block_format_dataset(file, CONFIG, 10, drop_remainder=True))) == 2
    repeated = block_format_dataset(file, CONFIG, 10, repeat=True).take(7)
    assert [len(labels) for _, labels in repeated] == [10, 10, 3, 10, 10, 3, 10]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_seed_fixes_the_order(file: Path, workers: int) -> None:
    def dataset(seed: int | None) -> Any:
        return block_format_dataset(file, CONFIG, 4, shuffle=True, seed=seed, workers=workers)

    one, two = dataset(5), dataset(5)
    first = first_values(one)
    assert sorted(first) == list(range(23)) != first
    assert first_values(two) == first
    second = first_values(one)
    assert second != first
    assert first_values(two) == second
    assert first_values(dataset(6)) != first


def test_bad_input(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    records = list(read_records(file))
    records[2] = b"\1"
    bad = file.with_name("bad.block")
    write_records(bad, records)
    with pytest.raises(tf.errors.OpError, match=r"bad\.block: record 2, byte 1: truncated"):
        list(block_format_dataset(bad, CONFIG, 10))
    kept = block_format_dataset(bad, CONFIG, 10, on_error="skip", workers=2)
    assert len(first_values(kept)) == 22
    assert "left out 1 bad records" in caplog.text
    with pytest.raises(FileNotFoundError, match="nowhere"):
        block_format_dataset("nowhere", CONFIG, 10)
    with pytest.raises(ValueError, match="no files"):
        block_format_dataset([], CONFIG, 10)
    with pytest.raises(ValueError, match="batch_size must be positive"):
        block_format_dataset(file, CONFIG, 0)


def test_ragged(file: Path) -> None:
    batch = decode_batch(read_records(file), CONFIG)
    inputs = to_ragged(batch)
    assert sorted(inputs) == ["field", "key", "value"]
    np.testing.assert_array_equal(inputs["key"].row_splits, batch.row_splits)
    np.testing.assert_array_equal(inputs["value"].values, batch.value)
    assert sorted(to_ragged(batch, with_field=False)) == ["key", "value"]
