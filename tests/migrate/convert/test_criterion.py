"""Criteria on other shapes and options: the model, the oracle, and the loss's own slope agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import migrate
from migrate.convert.criterion import SIMPLE
from migrate.graph import Module, is_criterion, with_tensor
from migrate.registry import load_families
from verify import oracle
from verify.oracle.base import OracleError

RNG = np.random.default_rng(20)


def criterion(name: str, weights: Any = None, links: Any = None, **fields: Any) -> Module:
    cls = f"nn.{name}"
    made = Module("", cls, cls, fields=fields, links=links or {})
    return made if weights is None else with_tensor(made, "weights", np.array(weights))


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def shares(*shape: int) -> np.ndarray:
    return RNG.uniform(0.05, 0.95, shape)


def signs(*shape: int) -> np.ndarray:
    return np.where(RNG.uniform(size=shape) < 0.5, -1.0, 1.0)


def log_shares(*shape: int) -> np.ndarray:
    x = normal(*shape)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


SIMPLEX = with_tensor(criterion("ClassSimplexCriterion"), "simplex", normal(3, 3))
WEIGHTED = with_tensor(criterion("WeightedMSECriterion"), "weight", shares(4))
NLL = criterion("ClassNLLCriterion", [0.5, 2.0, 1.0, 0.2, 3.0], sizeAverage=True)
BCE = criterion("BCECriterion", [1.0, 0.5, 3.0], sizeAverage=False)
CROSS = {"links": {"nll": NLL, "lsm": criterion("LogSoftMax")}}

CASES: dict[str, tuple[Module, Any, Any]] = {
    "abs 3-D": (criterion("AbsCriterion"), normal(2, 3, 4), normal(2, 3, 4)),
    "bce 1-D": (criterion("BCECriterion"), shares(5), shares(5)),
    "bce weights": (BCE, shares(2, 3), shares(2, 3)),
    "nll one row": (NLL, log_shares(1, 5), np.array([2.0])),
    "nll 1-D": (NLL, log_shares(5), 4.0),
    "nll 1-D sum": (
        criterion("ClassNLLCriterion", [0.5, 2, 1], sizeAverage=False),
        log_shares(3),
        np.array([2.0]),
    ),
    "nll ignores": (
        criterion("ClassNLLCriterion", [0.5, 2, 1], ignoreIndex=0.0),
        log_shares(4, 3),
        np.array([0, 3, 1, 0]),
    ),
    "nll ignores all": (
        criterion("ClassNLLCriterion", ignoreIndex=2.0),
        log_shares(2, 3),
        np.array([2, 2]),
    ),
    "pixels": (criterion("SpatialClassNLLCriterion"), normal(1, 3, 2, 5), np.full((1, 2, 5), 3)),
    "cross entropy": (
        criterion("CrossEntropyCriterion", **CROSS),
        normal(7, 5),
        np.arange(7) % 5 + 1,
    ),
    "cross entropy NC11": (
        criterion("CrossEntropyCriterion", sizeAverage=False, **CROSS),
        normal(3, 5, 1, 1),
        np.array([5, 1, 2]),
    ),
    "pixel cross entropy": (
        criterion("SpatialCrossEntropyCriterion", links={"nll": NLL}),
        normal(2, 5, 2, 3),
        RNG.integers(1, 6, (2, 2, 3)),
    ),
    "volume cross entropy": (
        criterion(
            "VolumetricCrossEntropyCriterion",
            links={"scec": criterion("SpatialCrossEntropyCriterion", links={"nll": NLL})},
        ),
        normal(2, 5, 2, 1, 3),
        RNG.integers(1, 6, (2, 2, 1, 3)),
    ),
    "simplex": (SIMPLEX, normal(4, 3), np.array([1, 3, 2, 2])),
    "simplex number": (SIMPLEX, normal(3), 2.0),
    "cosine": (
        criterion("CosineEmbeddingCriterion", margin=0.2),
        [normal(6, 3), normal(6, 3)],
        signs(6),
    ),
    "cosine one": (criterion("CosineEmbeddingCriterion"), [normal(4), normal(4)], np.array([-1.0])),
    "kl": (criterion("DistKLDivCriterion"), normal(3, 2), np.array([[0, 1], [0.5, 0], [2, 0.1]])),
    "ratio": (criterion("DistanceRatioCriterion"), [shares(3, 2), shares(3, 2)], None),
    "hinge number": (criterion("HingeEmbeddingCriterion", margin=0.5), shares(1), -1.0),
    "l1 cost": (criterion("L1Cost"), normal(2, 2, 3), None),
    "l1 hinge": (
        criterion("L1HingeEmbeddingCriterion", margin=50.0),
        [normal(2, 3), normal(2, 3)],
        -1.0,
    ),
    "margin": (criterion("MarginCriterion", margin=0.3), normal(9), signs(9)),
    "ranking": (
        criterion("MarginRankingCriterion", margin=0.1),
        [normal(4, 1), normal(4, 1)],
        signs(4, 1),
    ),
    "ranking number": (criterion("MarginRankingCriterion"), [normal(1), normal(1)], -1.0),
    "mse": (criterion("MSECriterion"), normal(4, 2, 3), normal(4, 2, 3)),
    "weighted mse": (WEIGHTED, normal(3, 4), normal(3, 4)),
    "labels": (
        criterion("MultiLabelMarginCriterion"),
        normal(3, 5),
        np.array([[2, 5, 0, 1, 1], [0, 1, 2, 3, 4], [5, 4, 3, 2, 1]]),
    ),
    "labels 1-D": (criterion("MultiLabelMarginCriterion"), normal(4), np.array([3.0, 1, 0, 0])),
    "old soft labels": (
        criterion("MultiLabelSoftMarginCriterion", links={"nll": BCE}),
        normal(5, 3),
        shares(5, 3),
    ),
    "multi margin": (
        criterion("MultiMarginCriterion", margin=0.4, p=2.0),
        normal(4, 6),
        np.array([6, 1, 2, 3]),
    ),
    "multi margin 1-D": (criterion("MultiMarginCriterion", [1, 2, 3.0]), normal(3), 3.0),
    "smooth l1": (criterion("SmoothL1Criterion"), 2 * normal(8), normal(8)),
    "soft margin": (criterion("SoftMarginCriterion"), 3 * normal(3, 4), signs(3, 4)),
    "crop": (criterion("SpatialAutoCropMSECriterion"), normal(2, 3, 4), normal(2, 3, 4)),
}


def leaves(value: Any) -> list[np.ndarray]:
    return (
        [leaf for entry in value for leaf in leaves(entry)] if isinstance(value, list) else [value]
    )


@pytest.mark.parametrize("name", CASES)
def test_the_model_gives_the_oracles_loss_and_gradient(name: str) -> None:
    module, x, target = CASES[name]
    converted = migrate.convert(module, [x, target])
    np.testing.assert_allclose(
        converted([x, target]), oracle.forward(module, [x, target]), rtol=1e-12, atol=1e-14
    )
    got = converted.gradients([x, target], 1.0)[0]
    expected = oracle.backward(module, [x, target], 1.0)[0]
    for g, e in zip(leaves(got), leaves(expected), strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_the_oracles_gradient_is_the_slope_of_its_loss(name: str) -> None:
    module, x, target = CASES[name]
    grads = leaves(oracle.backward(module, [x, target], 1.0)[0])
    step = 1e-6
    for tensor, grad in zip(leaves(x), grads, strict=True):
        for at in np.ndindex(tensor.shape):
            kept, losses = tensor[at], []
            for moved in (kept + step, kept - step):
                tensor[at] = moved
                losses.append(oracle.forward(module, [x, target]))
            tensor[at] = kept
            assert abs((losses[0] - losses[1]) / (2 * step) - grad[at]) < 1e-7


@pytest.mark.parametrize(("bad", "name"), [(0, "nll one row"), (6, "nll one row"), (4, "simplex")])
def test_a_class_out_of_range_is_refused(bad: int, name: str) -> None:
    module, x, _ = CASES[name]
    target = np.full(len(x), bad)
    with pytest.raises(OracleError, match=r"outside 1\.\."):
        oracle.forward(module, [x, target])
    converted = migrate.convert(module, [x, np.ones(len(x))])
    with pytest.raises(Exception, match=r"outside 1\.\."):
        converted([x, target])


def test_every_criterion_has_both() -> None:
    classes = {name for name in load_families() if is_criterion(Module("", name, name))}
    assert classes == {n for n in oracle.registered() if is_criterion(Module("", n, n))}
    assert set(SIMPLE) <= classes


def test_another_batch_size_may_follow() -> None:
    module, x, target = CASES["cross entropy"]
    converted = migrate.convert(module, [x, target])
    more, classes = normal(12, 5), np.arange(12) % 5 + 1
    np.testing.assert_allclose(
        converted([more, classes]), oracle.forward(module, [more, classes]), rtol=1e-12
    )
