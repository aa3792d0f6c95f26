"""Fractional max pooling: the same windows for the same numbers, drawn as Torch draws them."""

import numpy as np
import pytest

from migrate.converter import convert
from torch_objects import module
from verify import oracle

SIZES = {
    "nn.SpatialFractionalMaxPooling": (
        {"poolSizeW": 2, "poolSizeH": 3, "outW": 4, "outH": 5},
        (2, 3, 12, 9),
    ),
    "nn.VolumetricFractionalMaxPooling": (
        {
            "poolSizeT": 2,
            "poolSizeW": 2,
            "poolSizeH": 3,
            "ratioT": 0.5,
            "ratioW": 0.6,
            "ratioH": 0.4,
        },
        (2, 3, 10, 9, 9),
    ),
}


@pytest.mark.parametrize("name", SIZES)
def test_fixed_regions_are_those_of_the_oracle(name):
    fields, shape = SIZES[name]
    rng = np.random.default_rng(0)
    samples = rng.random((*shape[:2], len(shape) - 2))
    m = module(name, randomSamples=samples, newRandomPool=True, **fields)
    x = rng.standard_normal(shape)
    converted = convert(m, x)
    expected = oracle.forward(m, x)
    np.testing.assert_array_equal(converted(x), expected)
    grad = rng.standard_normal(expected.shape)
    np.testing.assert_allclose(
        converted.gradients(x, grad)[0], oracle.backward(m, x, grad)[0], rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("name", SIZES)
def test_drawn_regions_are_distributed_as_torchs(name):
    """Positions come out as values, so their means over many images compare the windows."""
    fields, shape = SIZES[name]
    m = module(name, _type="torch.DoubleTensor", newRandomPool=False, **fields)
    images = 300
    plane = np.arange(np.prod(shape[2:]), dtype=float).reshape(shape[2:])
    x = np.broadcast_to(plane, (images, 3, *shape[2:])).copy()
    ours, theirs = convert(m, x)(x), oracle.forward(m, x, seed=1)
    assert np.unique(ours.reshape(images * 3, -1), axis=0).shape[0] > 5
    spread = np.sqrt((ours.var((0, 1)) + theirs.var((0, 1))) / (images * 3))
    far = np.abs(ours.mean((0, 1)) - theirs.mean((0, 1)))
    assert np.all(far <= 6 * spread + 1e-9)
