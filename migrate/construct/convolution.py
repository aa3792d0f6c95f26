"""Convolutions of sequences, images and volumes, and their transposes."""

from __future__ import annotations

from typing import Any

import numpy as np

from migrate.construct.constructor import Call, builds
from migrate.construct.objects import array_tensor, tensor

FRAME = "nInputPlane nOutputPlane kW kH dW dH padW padH"
VOLUME = "nInputPlane nOutputPlane kT kW kH dT dW dH padT padW padH"


def _weights(weight: tuple[int, ...], *bias: int) -> dict[str, Any]:
    return {"weight": tensor(weight), "bias": tensor(bias)}


@builds("nn.SpatialConvolution")
def spatial(call: Call) -> dict[str, Any]:
    """Weight (out, in, kH, kW)."""
    shape = call.ints("nOutputPlane nInputPlane kH kW")
    return call.fields(FRAME) | _weights(shape, shape[0])


@builds("nn.SpatialDilatedConvolution")
def dilated(call: Call) -> dict[str, Any]:
    """A convolution with gaps."""
    return spatial(call) | call.fields("dilationW dilationH")


@builds("nn.SpatialConvolutionMM")
def matrix(call: Call) -> dict[str, Any]:
    """Weight (out, in * kH * kW)."""
    outputs, inputs, height, width = call.ints("nOutputPlane nInputPlane kH kW")
    return call.fields(FRAME) | _weights((outputs, inputs * height * width), outputs)


@builds("nn.SpatialDepthWiseConvolution")
def depth_wise(call: Call) -> dict[str, Any]:
    """``nOutputPlane`` filters for each input plane."""
    outputs, inputs, height, width = call.ints("nOutputPlane nInputPlane kH kW")
    return call.fields(FRAME) | _weights((outputs, inputs * height * width), outputs, inputs)


@builds("nn.SpatialConvolutionLocal")
def local(call: Call) -> dict[str, Any]:
    """Weights of its own at every place: (oH, oW, out, in, kH, kW)."""
    outputs, inputs = call.ints("nOutputPlane nInputPlane")
    size = []
    for axis in "HW":
        whole, kernel, step, pad = call.ints(f"i{axis} k{axis} d{axis} pad{axis}")
        size.append((pad * 2 + whole - kernel) // step + 1)
    if min(size) < 1:
        raise ValueError("the kernel is larger than the input")
    height, width = size
    return {
        **call.fields(FRAME + " iW iH"),
        "oW": float(width),
        "oH": float(height),
        **_weights((height, width, outputs, inputs, *call.ints("kH kW")), outputs, height, width),
    }


@builds("nn.SpatialConvolutionMap", "nn.SpatialFullConvolutionMap")
def mapped(call: Call) -> dict[str, Any]:
    """One kernel a row (input plane, output plane) of a table of connections."""
    table = np.asarray(call["conMatrix"], np.float32)
    if table.ndim != len(("row", "pair")) or table.shape[1] != len(("from", "to")):
        raise ValueError(f"conMatrix should be a list of pairs [from, to], got {table.shape}")
    inputs, outputs = (int(planes) for planes in table.max(0))
    return {
        **call.fields("kW kH dW dH"),
        "connTable": array_tensor(table),
        "nInputPlane": float(inputs),
        "nOutputPlane": float(outputs),
        **_weights((len(table), *call.ints("kH kW")), outputs),
    }


@builds("nn.SpatialFullConvolution")
def transposed(call: Call) -> dict[str, Any]:
    """Weight (in, out, kH, kW)."""
    shape = call.ints("nInputPlane nOutputPlane kH kW")
    return call.fields(FRAME + " adjW adjH") | _weights(shape, shape[1])


@builds("nn.VolumetricConvolution")
def volumetric(call: Call) -> dict[str, Any]:
    """Weight (out, in, kT, kH, kW)."""
    shape = call.ints("nOutputPlane nInputPlane kT kH kW")
    return call.fields(VOLUME) | _weights(shape, shape[0])


@builds("nn.VolumetricDilatedConvolution")
def volumetric_dilated(call: Call) -> dict[str, Any]:
    """A convolution with gaps."""
    return volumetric(call) | call.fields("dilationT dilationW dilationH")


@builds("nn.VolumetricFullConvolution")
def volumetric_transposed(call: Call) -> dict[str, Any]:
    """Weight (in, out, kT, kH, kW)."""
    shape = call.ints("nInputPlane nOutputPlane kT kH kW")
    return call.fields(VOLUME + " adjT adjW adjH") | _weights(shape, shape[1])


@builds("nn.TemporalConvolution")
def temporal(call: Call) -> dict[str, Any]:
    """Weight (out, kW * in)."""
    outputs, inputs, width = call.ints("outputFrameSize inputFrameSize kW")
    kept = call.fields("inputFrameSize outputFrameSize kW dW")
    return kept | _weights((outputs, inputs * width), outputs)


@builds("nn.TemporalRowConvolution")
def temporal_row(call: Call) -> dict[str, Any]:
    """One kernel a feature: (in, 1, kW)."""
    inputs, width = call.ints("inputFrameSize kW")
    kept = call.fields("inputFrameSize kW dW featFirst")
    return kept | _weights((inputs, 1, width), inputs)
