"""Torch's flat vector: shared, overlapping and moved storages."""

from __future__ import annotations

import numpy as np
import pytest

from migrate.flat import FlatLayout
from migrate.graph import GraphError, Module, Parameter
from migrate.t7.objects import Storage, Tensor


def tensor(storage: Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    return Tensor("torch.FloatTensor", size, stride, offset, storage, np.dtype("float32"))


def parameter(path: str, value: Tensor) -> Parameter:
    return Parameter(Module(path, "nn.Linear", "nn.Linear", tensors={"weight": value}), "weight")


def storage(n: int) -> Storage:
    return Storage("torch.FloatStorage", np.arange(n, dtype=np.float32))


def test_storages_follow_each_other_without_holes() -> None:
    one, two = storage(10), storage(4)
    layout = FlatLayout.of(
        [
            parameter("a", tensor(one, 6, (2, 2), (2, 1))),
            parameter("b", tensor(two, 0, (3,), (1,))),
            parameter("c", tensor(one, 1, (2,), (1,))),
            parameter("d", tensor(two, 0, (3,), (1,))),
            parameter("e", tensor(one, 6, (2, 2), (1, 2))),
        ]
    )
    assert layout.size == 2 + 4 + 3
    flat = np.arange(9.0)
    parts = layout.split(flat)
    np.testing.assert_array_equal(parts[0], [[2, 3], [4, 5]])  # behind c in their storage
    np.testing.assert_array_equal(parts[2], [0, 1])
    np.testing.assert_array_equal(parts[1], [6, 7, 8])
    np.testing.assert_array_equal(parts[3], parts[1])
    np.testing.assert_array_equal(parts[4], parts[0].T)
    np.testing.assert_array_equal(layout.gather(parts), flat)
    assert layout.where(3) == ("a.weight", (0, 1))
    with pytest.raises(GraphError, match="9 parameters, the vector 8"):
        layout.split(np.zeros(8))
    with pytest.raises(GraphError, match="no parameter holds"):
        layout.where(9)


def test_end_to_end_repeats_what_is_shared() -> None:
    shared = storage(3)
    twice = [parameter(name, tensor(shared, 0, (3,), (1,))) for name in "ab"]
    assert FlatLayout.end_to_end(twice).size == 6
    assert FlatLayout.of(twice).size == 3
