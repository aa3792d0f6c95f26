"""The stream against draws of real Torch, and against the oracle's."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import migrate
from deepbird_v2.training import TorchStream
from verify.oracle.rng import Generator


@pytest.mark.parametrize("seed", [0, 1, 777, 20190304, 2**32 + 5, 2**40])
def test_draws_in_the_oracles_order(seed: int) -> None:
    stream, generator = TorchStream(seed), Generator(seed)
    np.testing.assert_array_equal(stream.permutation(1000), generator.randperm(1000) - 1)
    np.testing.assert_array_equal(stream.bernoulli(0.9, (16, 7)), generator.bernoulli(0.9, (16, 7)))
    for shape in ((3,), (2, 2), (1,)):  # halves of pairs wait from call to call
        np.testing.assert_allclose(
            stream.normal(0.5, 2.0, shape), generator.normal(shape, 0.5, 2.0), rtol=1e-15
        )
    np.testing.assert_array_equal(stream.uniform((5,)), generator.uniform(5))


def recorded(golden, case: str):
    folder = golden / "rng" / case
    return json.loads((folder / "case.json").read_text()), migrate.load_t7(folder / "result.t7")


def test_permutes_as_torch(golden) -> None:
    info, expected = recorded(golden, "randperm_f64")
    order = TorchStream(info["seed"]).permutation(17) + 1
    np.testing.assert_array_equal(order, np.ravel(expected))


@pytest.mark.parametrize("case", ["seed_1", "seed_2", "seed_3"])
def test_draws_as_torch(golden, case: str) -> None:
    info, (raw, uniform) = recorded(golden, case)
    seed = int(re.search(r"manualSeed\((\d+)\)", info["code"])[1])
    stream = TorchStream(seed)
    np.testing.assert_array_equal(stream.raw(len(raw)).astype(float), raw)
    np.testing.assert_array_equal(stream.uniform((len(uniform),)), uniform)


def test_drops_as_torch(golden) -> None:
    info, expected = recorded(golden, "dropout_mask")
    noise = TorchStream(info["seed"]).bernoulli(0.5, (4, 5)) / 0.5
    np.testing.assert_array_equal(noise, expected["noise"])


def test_permutations_of_nothing_and_of_one() -> None:
    stream = TorchStream(1)
    assert stream.permutation(0).size == 0
    assert stream.permutation(1).tolist() == [0]
    np.testing.assert_array_equal(stream.raw(2), TorchStream(1).raw(2))
