"""Normalization over the batch or over features."""

from __future__ import annotations

from typing import Any

import numpy as np

from migrate.construct.constructor import Call, builds, new
from migrate.construct.objects import array_tensor, long_storage, modules, tensor


@builds("nn.BatchNormalization", "nn.SpatialBatchNormalization", "nn.VolumetricBatchNormalization")
def batch_normalization(call: Call) -> dict[str, Any]:
    """Running statistics of a standard normal; the bias of an affine one is zero."""
    size = call.ints("nOutput")
    affine = {"weight": tensor(size), "bias": tensor(size)} if call["affine"] else {}
    return {
        **call.fields("eps momentum affine"),
        "running_mean": tensor(size),
        "running_var": tensor(size, fill=1.0),
        **affine,
    }


@builds("nn.LayerNormalization")
def layer_normalization(call: Call) -> dict[str, Any]:
    """A network: minus the mean, over the norm, times sqrt(n), then an affine map."""
    (size,) = call.ints("nOutput")
    mean = new("nn.Sequential", children=(new("nn.Mean", 1, 1), new("nn.Replicate", size, 1, 1)))
    # torch.sqrt of a number computes in the type of tensors, which is float
    scale = float(np.sqrt(np.float32(size)))
    layers = [
        new("nn.ConcatTable", children=(new("nn.Identity"), mean)),
        new("nn.CSubTable"),
        new("nn.Normalize", 2, call["eps"]),
        new("nn.MulConstant", scale),
    ]
    if call["affine"]:
        gain, bias = new("nn.CMul", (size,)), new("nn.Add", size, False)
        gain.fields["weight"] = tensor((size,), fill=1.0)
        bias.fields["bias"] = array_tensor(np.full(size, call.get("bias", 0.0)))
        layers += [gain, bias]
    return modules(*layers)


@builds("nn.WeightNorm")
def weight_norm(call: Call) -> dict[str, Any]:
    """Direction ``v`` and length ``g`` of the wrapped module's weight, which is left to them."""
    (inner,) = call.children
    weight = inner.get("weight")
    axis = int(call["outputDim"]) - 1
    if weight is None or axis >= len(weight.size):
        raise ValueError(f"{inner.class_name} has no weight with a dimension {axis + 1}")
    del inner.fields["weight"]
    shape = weight.size
    rows, rest = shape[axis], int(np.prod(shape)) // shape[axis]
    turned = (rows, *shape[:axis], *shape[axis + 1 :])
    return {
        **modules(inner),
        **({"bias": inner["bias"]} if "bias" in inner else {}),
        "outputDim": float(axis + 1),
        "otherDims": float(rest),
        "v": tensor((rows, rest)),
        "g": tensor((rows, 1)),
        "viewIn": long_storage((rows, rest)),
        "viewOut": long_storage(turned),
        "weightSize": long_storage(shape),
    }
