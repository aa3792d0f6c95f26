"""Normalization of images by the mean and deviation around each place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from migrate.construct.constructor import Call, builds, new
from migrate.construct.objects import array_tensor, make, tensor
from migrate.t7.objects import Tensor, TorchObject

LINE, SQUARE = 1, 2


def _kernel(call: Call) -> Tensor:
    given = call.get("kernel")
    kernel = array_tensor(np.ones((9, 9)) if given is None else given)
    if len(kernel.size) not in (LINE, SQUARE) or any(size % 2 == 0 for size in kernel.size):
        raise ValueError(f"the kernel should be a line or a square of odd size, not {kernel.size}")
    return kernel


def _normalize(kernel: Tensor, divisor: float) -> None:
    """In place: whoever holds the kernel sees it normalized."""
    data = kernel.storage.data  # type: ignore[union-attr]  # array_tensor gave it one
    data /= data.dtype.type(data.sum(dtype=np.float64) * divisor)  # Torch sums floats so


def _estimator(
    kernel: Tensor, planes: int, *after: str, before: tuple[str, ...] = ()
) -> TorchObject:
    """The mean around each place, over all planes."""
    height, width = kernel.size[0], kernel.size[-1]
    pad = new("nn.SpatialZeroPadding", width // 2, width // 2, height // 2, height // 2)
    if len(kernel.size) == SQUARE:
        convolutions = [new("nn.SpatialConvolution", planes, 1, width, height)]
    else:
        each = [(plane, plane) for plane in range(1, planes + 1)]
        convolutions = [
            new("nn.SpatialConvolutionMap", each, width, 1),
            new("nn.SpatialConvolution", planes, 1, 1, height),
        ]
    for convolution in convolutions:
        shape = convolution["weight"].size
        values = np.broadcast_to(kernel.numpy().ravel(), (planes, kernel.numpy().size))
        convolution.fields["weight"] = array_tensor(values.reshape(shape))
    layers = [*map(new, before), pad, *convolutions, new("nn.Replicate", planes, 1, 3)]
    return new("nn.Sequential", children=(*layers, *map(new, after)))


def _subtractive(planes: int, kernel: Tensor) -> dict[str, Any]:
    _normalize(kernel, planes)
    return {
        "nInputPlane": float(planes),
        "kernel": kernel,
        "meanestimator": _estimator(kernel, planes),
        "subtractor": new("nn.CSubTable"),
        "divider": new("nn.CDivTable"),
        "coef": tensor((1, 1, 1)),
    }


def _divisive(planes: int, kernel: Tensor, call: Call) -> dict[str, Any]:
    _normalize(kernel, planes if len(kernel.size) == SQUARE else math.sqrt(planes))
    return {
        "nInputPlane": float(planes),
        "kernel": kernel,
        **call.fields("threshold thresval"),
        "meanestimator": _estimator(kernel, planes),
        "stdestimator": _estimator(kernel, planes, "nn.Sqrt", before=("nn.Square",)),
        "normalizer": new("nn.CDivTable"),
        "divider": new("nn.CDivTable"),
        "thresholder": new("nn.Threshold", call["threshold"], call["thresval"]),
        "coef": tensor((1, 1, 1)),
    }


@builds("nn.SpatialSubtractiveNormalization")
def subtractive(call: Call) -> dict[str, Any]:
    """Minus the mean around each place."""
    (planes,) = call.ints("nInputPlane")
    return _subtractive(planes, _kernel(call))


@builds("nn.SpatialDivisiveNormalization")
def divisive(call: Call) -> dict[str, Any]:
    """Over the deviation around each place."""
    (planes,) = call.ints("nInputPlane")
    return _divisive(planes, _kernel(call), call)


@builds("nn.SpatialContrastiveNormalization")
def contrastive(call: Call) -> dict[str, Any]:
    """Both, with one kernel."""
    (planes,), kernel = call.ints("nInputPlane"), _kernel(call)
    first = make("nn.SpatialSubtractiveNormalization", _subtractive(planes, kernel))
    second = make("nn.SpatialDivisiveNormalization", _divisive(planes, kernel, call))
    return {
        **call.fields("nInputPlane threshold thresval"),
        "kernel": kernel,
        "normalizer": new("nn.Sequential", children=(first, second)),
    }
