"""Which dropout draws when, and what it does when it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import migrate
from migrate.graph import Module
from verify import oracle

X = np.ones((6, 5, 7, 8), np.float32)


def module(name: str, **fields: Any) -> Module:
    fields = {"_type": "torch.FloatTensor", "p": 0.25, **fields}
    return Module("", f"nn.{name}", f"nn.{name}", fields=fields)


# (module, draws in training, draws in evaluation)
CASES = {
    "v2": (module("Dropout", v2=True, train=True), True, False),
    "v2 saved in evaluation": (module("Dropout", v2=True, train=False), True, False),
    "v1": (module("Dropout", v2=False, train=True), True, False),
    "before versions": (module("Dropout", train=True), True, False),
    "no train field": (module("Dropout", v2=True), False, False),
    "no train field, v1": (module("Dropout"), False, False),
    "stochastic": (module("Dropout", v2=True, train=True, stochastic_inference=True), True, True),
    "stochastic, v1": (module("Dropout", train=True, stochastic_inference=True), True, True),
    "planes": (module("SpatialDropout", train=True), True, False),
    "planes, stochastic": (
        module("SpatialDropout", train=True, stochastic_inference=True),
        True,
        True,
    ),
    "planes, no train field": (module("SpatialDropout"), False, False),
    "volumes": (module("VolumetricDropout", train=True), True, False),
    "p 0": (module("Dropout", p=0.0, train=True), False, False),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_the_model_draws_when_torch_does_and_from_the_same_values(
    name: str, training: bool
) -> None:
    m, in_training, in_evaluation = CASES[name]
    expected = oracle.forward(m, X, training, seed=1)
    model = migrate.convert(m, X)
    got = [model(X, training) for _ in range(20)]  # one draw of few planes may keep or drop all
    drawn = in_training if training else in_evaluation
    assert (len(np.unique(got)) == 2) is drawn
    np.testing.assert_allclose(np.unique(got), np.unique(expected), rtol=1e-6)


@pytest.mark.parametrize(("name", "axes"), [("planes", (2, 3)), ("volumes", (1, 2, 3))])
def test_planes_fall_whole(name: str, axes: tuple[int, ...]) -> None:
    got = migrate.convert(CASES[name][0], X)(X, training=True)
    np.testing.assert_array_equal(got.min(axis=axes), got.max(axis=axes))
