"""Networks from a config and a seed: every layer that draws, or whose constructor computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import legacy_yaml
from migrate.graph import Module, parameters, walk
from verify.oracle.rng import Generator
from verify.seeded import seeded_network

GOLDEN = Path(__file__).parents[2] / "golden"


def network(tmp_path: Path, layers: str, **options: object) -> Module:
    path = tmp_path / "config.yaml"
    path.write_text(f"seed: 3\nmodel: {layers}\n")
    return seeded_network(legacy_yaml.load(path), **options)


def test_batch_normalization_starts_at_mean_0_and_variance_1(tmp_path: Path) -> None:
    made = network(tmp_path, "[nn.BatchNormalization: [4]]").children[0]
    np.testing.assert_array_equal(made.array("running_mean"), np.zeros(4))
    np.testing.assert_array_equal(made.array("running_var"), np.ones(4))
    drawn = Generator(3).uniform(4, dtype=np.float32)
    np.testing.assert_array_equal(made.array("weight"), drawn)


def test_statistics_come_with_the_weights(tmp_path: Path) -> None:
    layers = "[nn.Linear: [7, 9], nn.BatchNormalization: [9], nn.ReLU, nn.Linear: [9, 3]]"
    made = network(tmp_path, layers, weights=GOLDEN / "training" / "sgd_bn" / "model_final.t7")
    assert made.children[1].array("running_var").min() > 0
    assert not np.array_equal(made.children[1].array("running_var"), np.ones(9))


def test_weight_norm_draws_after_the_module_it_wraps(tmp_path: Path) -> None:
    made = network(tmp_path, "[nn.WeightNorm: {layers: [nn.Linear: [4, 3]]}]").children[0]
    g = Generator(3)
    g.raw(12 + 3)
    drawn = g.normal((3, 4), 0.0, np.sqrt(2 / 4), np.float32)
    np.testing.assert_array_equal(made.array("v"), drawn)
    np.testing.assert_array_equal(made.array("bias"), np.zeros(3))


@pytest.mark.parametrize(
    ("kind", "drawn"), [("Subtractive", 163), ("Divisive", 326), ("Contrastive", 489)]
)
def test_local_normalization_keeps_its_kernel(tmp_path: Path, kind: str, drawn: int) -> None:
    layers = f"[nn.Spatial{kind}Normalization: [2], nn.Mul]"
    made = network(tmp_path, layers)
    kernels = [m.array("weight") for m in walk(made) if m.class_name == "nn.SpatialConvolution"]
    assert kernels
    for kernel in kernels:
        np.testing.assert_allclose(kernel, np.full_like(kernel, 1 / 162), rtol=1e-6)
    g = Generator(3)
    g.raw(drawn)
    (gain,) = parameters(made)
    np.testing.assert_array_equal(gain.tensor.numpy(), g.uniform(1, -1, 1, np.float32))


def test_layer_normalization_keeps_the_bias_it_was_given(tmp_path: Path) -> None:
    made = network(tmp_path, "[nn.LayerNormalization: [4, 0.5]]")
    gain, bias = [parameter.tensor.numpy() for parameter in parameters(made)]
    np.testing.assert_array_equal(gain, np.ones(4))
    np.testing.assert_array_equal(bias, np.full(4, 0.5))
