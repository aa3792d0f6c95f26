"""Convolutions, pooling and their kin against the oracle: options that no golden case has."""

import zlib

import numpy as np
import pytest

from migrate.converter import convert
from torch_objects import module
from verify import oracle
from verify.oracle import Oracle


def draw(name, *shape):
    return np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)


def walk(axes, kernel, stride=None, pad=None, dilation=None):
    """Fields kT, dH, padW, ... of a module."""
    parts = {"k": kernel, "d": stride, "pad": pad, "dilation": dilation}
    return {
        f"{stem}{axis}": value
        for stem, values in parts.items()
        if values is not None
        for axis, value in zip(axes, values, strict=True)
    }


def conv(cls, x, out, kernel, groups=None, bias=True, flat=False, **options):
    axes = "THW" if "Volumetric" in cls else "HW"
    planes = x[-len(axes) - 1]
    weight = draw(cls, out, planes // (groups or 1), *kernel)
    fields = {"weight": weight.reshape(out, -1) if flat else weight}
    fields |= {"bias": draw("bias", out)} if bias else {}
    fields |= {"groups": groups} if groups else {}
    fields |= {"nInputPlane": planes, "nOutputPlane": out}
    return module(cls, **fields, **walk(axes, kernel, **options)), draw(f"{cls}{x}", *x)


def full(cls, x, out, kernel, adj, groups=1, target=None, **options):
    axes = "THW" if "Volumetric" in cls else "HW"
    planes = x[-len(axes) - 1]
    fields = {f"adj{a}": n for a, n in zip(axes, adj, strict=True)}
    m = module(
        cls,
        weight=draw(cls, planes, out // groups, *kernel),
        bias=draw("bias", out),
        nInputPlane=planes,
        nOutputPlane=out,
        groups=groups,
        **fields,
        **walk(axes, kernel, **options),
    )
    image = draw(f"{cls}{x}", *x)
    return m, [image, draw("target", *target)] if target else image


def mapped(cls, pairs, stride, kernel, x):
    pairs = np.array(pairs, float)
    weight = draw(cls, len(pairs), *kernel)
    outputs = int(pairs[:, 1].max())
    fields = {"nInputPlane": x[-3], "nOutputPlane": outputs, "connTable": pairs}
    m = module(
        cls, weight=weight, bias=draw("bias", outputs), **fields, **walk("HW", kernel, stride)
    )
    return m, draw(cls, *x)


def depth_wise(x, out, kernel, stride, pad):
    planes = x[-3]
    m = module(
        "nn.SpatialDepthWiseConvolution",
        weight=draw("depth", out, planes, *kernel),
        bias=draw("bias", out, planes),
        nInputPlane=planes,
        nOutputPlane=out,
        **walk("HW", kernel, stride, pad),
    )
    return m, draw("depth", *x)


def local(x, out, kernel, stride, pad):
    planes, height, width = x[-3:]
    rows = (height + 2 * pad[0] - kernel[0]) // stride[0] + 1
    columns = (width + 2 * pad[1] - kernel[1]) // stride[1] + 1
    sizes = {"iH": height, "iW": width, "oH": rows, "oW": columns}
    m = module(
        "nn.SpatialConvolutionLocal",
        weight=draw("local", rows, columns, out, planes, *kernel),
        bias=draw("bias", out, rows, columns),
        nInputPlane=planes,
        nOutputPlane=out,
        **sizes,
        **walk("HW", kernel, stride, pad),
    )
    return m, draw("local", *x)


def temporal(x, out, kernel, stride, cls="nn.TemporalConvolution", axis="W", pad=None):
    inputs = x[-1]
    fields = {f"k{axis}": kernel, f"d{axis}": stride, "inputFrameSize": inputs}
    fields |= {} if pad is None else {f"pad{axis}": pad}
    weight = draw("temporal", out, kernel * inputs)
    return module(cls, weight=weight, bias=draw("bias", out), **fields), draw("temporal", *x)


def row(x, kernel, stride, first):
    size = x[-2] if first else x[-1]
    m = module(
        "nn.TemporalRowConvolution",
        weight=draw("row", size, 1, kernel),
        kW=kernel,
        dW=stride,
        inputFrameSize=size,
        featFirst=first,
    )
    return m, draw("row", *x)


def pool(cls, x, kernel, ceil=False, ties=False, extra=None, **options):
    axes = {"S": "HW", "V": "THW", "T": "W"}[cls.partition(".")[2][0]]
    values = draw(f"{cls}{x}", *x)
    fields = walk(axes, kernel, **options) | (extra or {})
    m = module(cls, _type="torch.DoubleTensor", ceil_mode=ceil, **fields)
    return m, np.maximum(values, 0) if ties else values


def plain(cls, x, **fields):
    return module(cls, _type="torch.DoubleTensor", **fields), draw(cls, *x)


PADS = {"pad_l": 2, "pad_r": -1, "pad_t": 1, "pad_b": 2}
VPADS = dict(zip(("pleft", "pright", "ptop", "pbottom", "pfront", "pback"), range(6), strict=True))
SC, VC, SF = "nn.SpatialConvolution", "nn.VolumetricConvolution", "nn.SpatialFullConvolution"
SD, VD = "nn.SpatialDilatedConvolution", "nn.VolumetricDilatedConvolution"
SM, VM, SA = "nn.SpatialMaxPooling", "nn.VolumetricMaxPooling", "nn.SpatialAveragePooling"

CASES = {
    "same": conv(SC, (2, 3, 5, 6), 4, (3, 5), stride=(1, 1), pad=(1, 2)),
    "pad_more": conv(SC, (2, 3, 5, 6), 4, (3, 2), stride=(2, 1), pad=(2, 3), bias=False),
    "crop": conv(SC, (2, 3, 7, 6), 4, (2, 3), stride=(1, 1), pad=(-1, 0)),
    "one_strided": conv(SC, (3, 4, 10, 9), 5, (1, 1), stride=(2, 3), pad=(1, 0)),
    "groups": conv("cudnn.SpatialConvolution", (2, 4, 5, 6), 6, (3, 2), groups=2, stride=(1, 2)),
    "flat": conv(SC, (2, 3, 5, 6), 4, (3, 2), flat=True),
    "flat_mm": conv("nn.SpatialConvolutionMM", (2, 3, 5, 6), 4, (3, 2), flat=True),
    "unbatched": conv(SC, (3, 6, 5), 2, (3, 2), stride=(2, 1), pad=(1, 1)),
    "dilated_strided": conv(SD, (2, 2, 9, 8), 3, (3, 2), stride=(2, 3), dilation=(2, 3)),
    "dilated_same": conv(SD, (2, 2, 9, 8), 3, (3, 3), pad=(2, 3), dilation=(2, 3)),
    "volume": conv(VC, (2, 2, 4, 6, 5), 3, (2, 3, 2), stride=(1, 2, 2), pad=(1, 0, 2)),
    "volume_one": conv(VC, (2, 2, 4, 6, 5), 3, (1, 1, 1), stride=(1, 2, 3)),
    "volume_groups": conv("cudnn.VolumetricConvolution", (2, 4, 3, 4, 5), 6, (2, 2, 3), groups=2),
    "volume_dilated": conv(
        VD, (2, 2, 5, 7, 6), 3, (2, 3, 2), stride=(2, 1, 2), pad=(1, 0, 1), dilation=(2, 2, 3)
    ),
    "full_adj": full(SF, (2, 3, 4, 5), 2, (3, 2), (2, 1), stride=(3, 2), pad=(1, 0)),
    "full_pad": full(SF, (3, 4, 5), 2, (4, 5), (0, 1), stride=(1, 2), pad=(2, 3)),
    "full_gap": full(SF, (2, 3, 4, 3), 2, (2, 1), (1, 2), stride=(3, 4), pad=(0, 0)),
    "full_one": full(SF, (2, 3, 4, 3), 2, (1, 1), (1, 0), stride=(2, 3), pad=(0, 0)),
    "full_groups": full("cudnn.SpatialFullConvolution", (2, 4, 3, 5), 6, (3, 2), (0, 0), 2),
    "full_target": full(
        SF, (2, 3, 4, 5), 2, (3, 3), (0, 0), target=(2, 1, 8, 10), stride=(2, 2), pad=(1, 1)
    ),
    "full_volume": full(
        "nn.VolumetricFullConvolution", (2, 2, 3, 2, 4), 3, (2, 3, 2), (1, 0, 1),
        stride=(2, 1, 3), pad=(1, 0, 1),
    ),
    "map": mapped(SC + "Map", [(1, 2), (3, 1), (1, 2), (2, 3)], (2, 1), (3, 2), (2, 3, 6, 5)),
    "map_one": mapped(SC + "Map", [(1, 2), (3, 1)], (2, 3), (1, 1), (3, 6, 7)),
    "map_full": mapped(SF + "Map", [(1, 2), (3, 1), (2, 2)], (2, 1), (3, 2), (2, 3, 4, 5)),
    "map_full_one": mapped(SF + "Map", [(1, 2), (3, 1)], (2, 3), (1, 1), (2, 3, 4, 5)),
    "depth_wise": depth_wise((2, 3, 7, 7), 2, (3, 2), (2, 2), (1, 0)),
    "depth_wise_oblong": depth_wise((2, 3, 5, 7), 2, (3, 2), (1, 1), (1, 0)),
    "depth_wise_steps": depth_wise((3, 6, 6), 2, (2, 2), (1, 2), (0, 1)),
    "local": local((2, 2, 6, 5), 3, (3, 2), (2, 1), (1, 2)),
    "local_unbatched": local((2, 6, 5), 3, (3, 2), (1, 2), (0, 0)),
    "temporal": temporal((2, 9, 3), 4, 3, 2),
    "temporal_one": temporal((9, 3), 4, 1, 2),
    "temporal_cudnn": temporal((2, 9, 3), 4, 3, 2, "cudnn.TemporalConvolution", "H", pad=1),
    "row": row((2, 9, 3), 3, 2, first=False),
    "row_first": row((3, 9), 2, 1, first=True),
    "max_ties": pool(SM, (2, 3, 7, 8), (3, 2), stride=(2, 1), pad=(1, 1), ceil=True, ties=True),
    "max_beyond": pool(SM, (2, 3, 6, 4), (1, 2), stride=(2, 3), ceil=True),
    "max_dilated": pool(
        "nn.SpatialDilatedMaxPooling", (2, 3, 9, 10), (3, 2), stride=(2, 1), pad=(1, 0),
        dilation=(2, 3), ceil=True, ties=True,
    ),
    "max_volume": pool(VM, (2, 2, 5, 6, 7), (2, 3, 2), stride=(2, 2, 1), pad=(1, 1, 0), ties=True),
    "max_volume_one": pool(VM, (2, 5, 6, 7), (2, 3, 2), stride=(1, 2, 3), ceil=True, ties=True),
    "max_volume_dilated": pool(
        "nn.VolumetricDilatedMaxPooling", (2, 2, 6, 7, 5), (2, 3, 2), stride=(1, 2, 1),
        pad=(1, 0, 1), dilation=(2, 1, 2), ties=True,
    ),
    "max_inn": pool("inn.SpatialMaxPooling", (2, 3, 6, 7), (3, 3), stride=(2, 2)),
    "max_temporal": pool("nn.TemporalMaxPooling", (2, 9, 3), (3,), stride=(2,), ties=True),
    "mean_ceil": pool(SA, (2, 3, 6, 7), (3, 2), stride=(2, 2), pad=(1, 1), ceil=True,
                      extra={"divide": True}),
    "mean_exclude": pool(SA, (3, 6, 7), (3, 4), stride=(2, 3), pad=(1, 2), ceil=True,
                         extra={"divide": False, "count_include_pad": False}),
    "mean_cudnn": pool("cudnn.SpatialAveragePooling", (2, 3, 6, 7), (3, 2), stride=(2, 2),
                       pad=(1, 1), extra={"mode": "CUDNN_POOLING_AVERAGE_COUNT_EXCLUDE_PADDING"}),
    "mean_volume": pool("nn.VolumetricAveragePooling", (2, 2, 5, 6, 7), (2, 3, 2),
                        stride=(2, 2, 1), pad=(1, 0, 1), ceil=True),
    "adaptive_max": plain("nn.SpatialAdaptiveMaxPooling", (2, 3, 7, 11), H=5, W=4),
    "adaptive_more": plain("nn.SpatialAdaptiveMaxPooling", (3, 3, 4), H=5, W=7),
    "adaptive_mean": plain("nn.SpatialAdaptiveAveragePooling", (2, 3, 7, 11), H=5, W=4),
    "k_max": plain("nn.TemporalDynamicKMaxPooling", (2, 9, 3), minK=2, factor=0.5),
    "features": module("nn.FeatureLPPooling", _type="torch.DoubleTensor", width=3, power=3.0,
                       stride=2, batch_mode=False),
    "zero": plain("nn.SpatialZeroPadding", (2, 3, 4, 5), **PADS),
    "reflect": plain("nn.SpatialReflectionPadding", (3, 4, 5), **PADS),
    "replicate": plain("nn.SpatialReplicationPadding", (2, 3, 4, 5), **PADS),
    "replicate_volume": plain("nn.VolumetricReplicationPadding", (2, 3, 4, 5), **VPADS),
    "nearest": plain("nn.SpatialUpSamplingNearest", (3, 4, 5), scale_factor=3),
    "nearest_volume": plain("nn.UpSampling", (2, 2, 3, 4, 2), scale_factor=2, mode="nearest"),
    "linear_volume": plain("nn.UpSampling", (2, 2, 3, 4, 2), mode="linear", odepth=5, oheight=7,
                           owidth=1),
    "bilinear": plain("nn.SpatialUpSamplingBilinear", (3, 4, 5), oheight=9, owidth=3),
    "shuffle": plain("nn.PixelShuffle", (18, 2, 3), upscaleFactor=3),
    "lrn_even": plain("nn.SpatialCrossMapLRN", (2, 7, 3, 4), size=4, alpha=0.3, beta=0.6, k=1.5),
    "lrn_wide": plain("cudnn.SpatialCrossMapLRN", (3, 3, 4), size=9, alpha=0.3, beta=0.6, K=2),
}  # fmt: skip
CASES["features"] = (CASES["features"], np.abs(draw("features", 8, 3)))


def same(path, expected, got):
    if isinstance(expected, list):
        assert len(got) == len(expected)
        for i, (e, g) in enumerate(zip(expected, got, strict=True), 1):
            same(f"{path}[{i}]", e, g)
        return
    assert got.shape == expected.shape, path
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-11, err_msg=path)


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_those_of_the_oracle(name):
    m, inputs = CASES[name]
    converted = convert(m, inputs)
    expected = oracle.forward(m, inputs)
    same("output", expected, converted(inputs))
    grad = draw("grad", *expected.shape)
    same(
        "gradients", list(oracle.backward(m, inputs, grad)), list(converted.gradients(inputs, grad))
    )


@pytest.mark.parametrize("name", [name for name, (m, _) in CASES.items() if "weight" in m.fields])
def test_the_oracle_differentiates_its_weights(name):
    """Along a random direction, against the slope of <y, gy>."""
    m, inputs = CASES[name]
    run = Oracle(m)
    y = run.forward(inputs)
    grad = draw("grad", *y.shape)
    run.zero_grad()
    run.backward(inputs, grad)
    (weight, slope), *_ = run.op.parameters()
    direction, step = draw("direction", *weight.shape), 1e-6
    values = []
    for sign in (1, -1):
        weight += sign * step * direction
        values.append(float((run.forward(inputs) * grad).sum()))
        weight -= sign * step * direction
    estimate = (values[0] - values[1]) / (2 * step)
    np.testing.assert_allclose(estimate, float((slope * direction).sum()), rtol=1e-6, atol=1e-7)
