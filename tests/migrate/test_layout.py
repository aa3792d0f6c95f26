"""Images flow channels last: a transpose stands only where Torch's layout comes in or goes out."""

import keras
import numpy as np
import pytest

from migrate import load_t7
from migrate.converter import convert
from torch_objects import module
from verify import oracle

# Transposes and gathers that a human would write: one for the image that comes in.
EXPECTED = {
    "ascii_model": 1,
    "lenet": 1,
    "resnet_small": 1,
    "inception_like": 1,
    "autoencoder_fullconv": 2,  # the image goes out again
}


def moves(converted):
    """Names of the operations that only move values about."""
    kinds = (keras.ops.transpose, keras.ops.take)
    names = {kind.__name__.capitalize() for kind in kinds}
    return [op.name for op in converted.model.operations if type(op).__name__ in names]


@pytest.mark.parametrize("name", EXPECTED)
def test_models_transpose_no_more_than_a_human_would(golden, name):
    folder = golden / "models" / name
    converted = convert(load_t7(folder / "model.t7"), load_t7(folder / "input.t7"))
    assert len(moves(converted)) <= EXPECTED[name], moves(converted)


def linear(rng, outputs, inputs):
    weight, bias = rng.standard_normal((outputs, inputs)), rng.standard_normal(outputs)
    return module("nn.Linear", weight=weight, bias=bias)


def stack(rng, *after):
    convolution = module(
        "nn.SpatialConvolution",
        weight=rng.standard_normal((4, 3, 2, 2)),
        bias=rng.standard_normal(4),
        nInputPlane=3,
        nOutputPlane=4,
        kW=2,
        kH=2,
        dW=1,
        dH=1,
    )
    return module("nn.Sequential", convolution, module("nn.Reshape", size=np.array([48])), *after)


def tails(rng):
    shared = linear(rng, 48, 48)
    return {
        "linear": ([linear(rng, 5, 48)], 1),
        "elementwise first": ([module("nn.Tanh"), linear(rng, 5, 48)], 1),
        "features go out": ([module("nn.Tanh")], 2),
        "order matters": ([module("nn.Narrow", dimension=2, index=7, length=9)], 2),
        "two readers": (
            [module("nn.ConcatTable", linear(rng, 5, 48), module("nn.Identity"))],
            2,
        ),
        "used twice": ([shared, module("nn.Tanh"), shared], 2),
    }


@pytest.mark.parametrize("name", tails(np.random.default_rng(0)))
def test_flattened_images_keep_their_order_until_somebody_needs_torchs(name):
    rng = np.random.default_rng(1)
    after, most = tails(rng)[name]
    model, image = stack(rng, *after), rng.standard_normal((2, 3, 4, 5))
    converted = convert(model, image)
    assert len(moves(converted)) <= most, moves(converted)
    expected = oracle.forward(model, image)
    got = converted(image)
    grads = oracle.backward(model, image, expected)
    found = converted.gradients(image, expected)
    for one, other in zip(flat([expected, *grads]), flat([got, *found]), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-10, atol=1e-11)


def flat(value):
    if isinstance(value, list):
        return [leaf for entry in value for leaf in flat(entry)]
    return [value]
