"""Normalization on other shapes and options: the model and the oracle agree, and survive saving."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import deepbird_v2.layers
import migrate
from migrate.context import ConversionError
from migrate.graph import Module, with_tensor
from migrate.t7.objects import Storage, Tensor
from verify import oracle

RNG = np.random.default_rng(21)
TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def module(
    name: str, tensors: dict[str, np.ndarray], *children: Module, path: str = "", **fields: Any
) -> Module:
    fields = {"_type": "torch.DoubleTensor", "train": True, **fields}
    made = Module(path, f"nn.{name}", f"nn.{name}", fields=fields, children=children)
    for field, values in tensors.items():
        made = with_tensor(made, field, np.asarray(values, np.float64))
    return made


def batch_norm(name: str, n: int, *, affine: bool = True, **fields: Any) -> Module:
    tensors = {"running_mean": normal(n), "running_var": normal(n) ** 2 + 0.3}
    if affine:
        tensors |= {"weight": normal(n), "bias": normal(n)}
    return module(name, tensors, **fields)


def old_batch_norm(n: int) -> Module:
    tensors = {name: normal(n) for name in ("weight", "bias", "running_mean")}
    made = module("BatchNormalization", tensors | {"running_std": 1 + normal(n) ** 2}, eps=1e-3)
    return replace(made, version=1)


def sizes(*values: int) -> Storage:
    return Storage("torch.LongStorage", np.array(values))


def weight_norm(child: Module, weight: tuple[int, ...], output: int = 1) -> Module:
    front = (weight[output - 1], *weight[: output - 1], *weight[output:])
    tensors = {
        "v": normal(front[0], math.prod(front[1:])),
        "g": normal(front[0]),
        "bias": child.array("bias"),
    }
    made = module("WeightNorm", tensors, child, outputDim=float(output), viewOut=sizes(*front))
    return replace(made, tensors={**made.tensors, "bias": child.tensors["bias"]})


def layer(name: str, bias: int, **fields: float) -> Module:
    return module(name, {"bias": normal(bias)}, path=f"1.{name}", **fields)


CONV = {"kW": 3.0, "kH": 2.0, "dW": 1.0, "dH": 1.0, "padW": 0.0, "padH": 0.0}

NOTHING = Tensor("torch.DoubleTensor", (), (), 0, None, np.dtype(np.float64))

CASES: dict[str, tuple[Module, np.ndarray]] = {
    "features": (batch_norm("BatchNormalization", 5, momentum=0.3, eps=0.01), normal(7, 5) + 9),
    "version 1": (old_batch_norm(3), normal(4, 3)),
    "no train field": (
        replace(bn := batch_norm("BatchNormalization", 3), fields={"_type": bn.get("_type")}),
        normal(4, 3),
    ),
    "planes": (batch_norm("SpatialBatchNormalization", 3), normal(2, 3, 4, 5)),
    "planes, one image": (batch_norm("SpatialBatchNormalization", 3), normal(1, 3, 4, 5)),
    "volumes": (batch_norm("VolumetricBatchNormalization", 2, affine=False), normal(3, 2, 2, 3, 4)),
    "empty weights": (
        replace(
            bn := batch_norm("SpatialBatchNormalization", 3, affine=False),
            tensors={**bn.tensors, "weight": NOTHING, "bias": NOTHING},
        ),
        normal(2, 3, 4, 5),
    ),
    "p 0.5": (module("Normalize", {}, p=0.5), normal(3, 4)),
    "p 1, eps": (module("Normalize", {}, p=1.0, eps=0.1), normal(3, 4)),
    "p 3": (module("Normalize", {}, p=3.0), normal(5, 2)),
    "p 4, 1-D": (module("Normalize", {}, p=4.0), normal(6)),
    "p inf, ties": (module("Normalize", {}, p=math.inf), np.array([[1.0, -2, 2], [0, 0, 3]])),
    "linear weight norm, 1-D": (
        module("LinearWeightNorm", {"v": normal(4, 3), "g": normal(4, 1), "bias": normal(4)}),
        normal(3),
    ),
    "weight norm of linear": (weight_norm(layer("Linear", 3), (3, 4)), normal(5, 4)),
    "weight norm of convolution": (
        weight_norm(
            layer("SpatialConvolution", 4, nInputPlane=2.0, nOutputPlane=4.0, **CONV), (4, 2, 2, 3)
        ),
        normal(2, 2, 5, 6),
    ),
    "weight norm by second dimension": (
        weight_norm(
            layer(
                "SpatialFullConvolution",
                4,
                nInputPlane=2.0,
                nOutputPlane=4.0,
                adjW=0.0,
                adjH=0.0,
                **CONV,
            ),
            (2, 4, 2, 3),
            output=2,
        ),
        normal(2, 2, 5, 6),
    ),
    "k-means": (module("Kmeans", {"weight": normal(3, 2)}, scale=0.5, k=3.0), normal(9, 2)),
}


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    deepbird_v2.layers.register()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_model_does_as_the_oracle(name: str, training: bool) -> None:
    m, x = CASES[name]
    converted = migrate.convert(m, x)
    y = oracle.forward(m, x, training)
    gy = normal(*y.shape)
    grad_input, grads = converted.gradients(x, gy, training)  # before the statistics move
    np.testing.assert_allclose(converted(x, training), y, **TOLERANCE)
    expected_input, expected = oracle.backward(m, x, gy, training)
    np.testing.assert_allclose(grad_input, expected_input, **TOLERANCE)
    for got, want in zip(grads, expected, strict=True):
        np.testing.assert_allclose(got, want, **TOLERANCE)


@pytest.mark.parametrize("name", ["features", "planes", "version 1", "planes, one image"])
def test_the_statistics_move_alike(name: str) -> None:
    m, x = CASES[name]
    converted, runs = migrate.convert(m, x), oracle.Oracle(m, training=True)
    for _ in range(3):
        converted(x, training=True)
        runs.forward(x)
    now = {binding.path: binding.variable.numpy() for binding in converted.report.bindings}
    np.testing.assert_allclose(now["running_mean"], runs.op.running_mean, **TOLERANCE)
    variance = now.get("running_var", now.get("running_std"))
    np.testing.assert_allclose(variance, runs.op.running_var, **TOLERANCE)


def test_a_sample_without_batch_comes_out_as_a_batch_of_one() -> None:
    m, x = CASES["planes"]
    converted = migrate.convert(m, x[0])
    np.testing.assert_allclose(converted(x[0]), oracle.forward(m, x[0]), **TOLERANCE)
    assert converted(x[0]).shape == (1, *x.shape[1:])
    with pytest.raises(oracle.OracleError, match="takes a batch of 4 dimensions"):
        oracle.forward(m, x[0], training=True)


@pytest.mark.parametrize("name", CASES)
def test_a_saved_model_comes_back(name: str, tmp_path: Path) -> None:
    m, x = CASES[name]
    model = migrate.convert(m, x).model
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(x), model(x), rtol=1e-14)


def test_normalize_refuses_what_torch_refuses() -> None:
    m, _ = CASES["p 3"]
    with pytest.raises(oracle.OracleError, match="vector or a matrix"):
        oracle.forward(m, normal(2, 3, 4))
    with pytest.raises(ConversionError, match="vector or a matrix"):
        migrate.convert(m, normal(2, 3, 4))
