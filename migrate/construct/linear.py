"""Linear maps, lookups and element-wise parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from migrate.construct.constructor import Call, builds, new
from migrate.construct.objects import array_tensor, long_storage, modules, tensor


def _bias(call: Call, *shape: int) -> dict[str, Any]:
    return {"bias": tensor(shape)} if call.get("bias", True) else {}


@builds("nn.Linear")
def linear(call: Call) -> dict[str, Any]:
    """Weight (out, in)."""
    inputs, outputs = call.ints("inputSize outputSize")
    return {"weight": tensor((outputs, inputs))} | _bias(call, outputs)


@builds("nn.LinearWeightNorm")
def linear_weight_norm(call: Call) -> dict[str, Any]:
    """Direction ``v`` (out, in) and length ``g`` (out, 1); the weight is computed from them."""
    inputs, outputs = call.ints("inputSize outputSize")
    parts = {"v": tensor((outputs, inputs)), "g": tensor((outputs, 1)), "eps": 1e-16}
    return call.fields("inputSize outputSize") | parts | _bias(call, outputs)


@builds("nn.PartialLinear")
def partial_linear(call: Call) -> dict[str, Any]:
    """A product with rows of a lookup table: all of them, until a partition is set."""
    inputs, outputs = call.ints("inputsize outputsize")
    lookup = new("nn.LookupTable", outputs, inputs)
    towers = new("nn.ParallelTable", children=(new("nn.Identity"), lookup))
    every = np.arange(1, outputs + 1)
    return {
        **call.fields("inputsize outputsize"),
        "allcolumns": array_tensor(every),
        "partition": array_tensor(every),
        "network": new("nn.Sequential", children=(towers, new("nn.MM", False, True))),
        **_bias(call, 1, outputs),
    }


@builds("nn.SparseLinear")
def sparse_linear(call: Call) -> dict[str, Any]:
    """Weight (out, in), as nn.Linear has it."""
    inputs, outputs = call.ints("inputSize outputSize")
    return {
        "weight": tensor((outputs, inputs)),
        "bias": tensor((outputs,)),
        **call.fields("doGradInput"),
        "weightDecay": 0.0,
        "sparseUpdate": 0.0,
    }


NORMALIZE_COLUMNS = 4


@builds("nn.IndexLinear")
def index_linear(call: Call) -> dict[str, Any]:
    """Weight (in, out), behind four columns of its own where values are normalized."""
    inputs, outputs = call.ints("inputSize outputSize")
    lead = NORMALIZE_COLUMNS if call.get("normalize") else 0
    weight, bias = call.get("weight"), call.get("bias")
    given = None if weight is None else array_tensor(weight)
    if given is not None and (len(given.size) != len(("in", "out")) or given.size[1] <= lead):
        raise ValueError(f"weight should be a matrix (in, out), got the shape {given.size}")
    matrix = given or tensor((inputs, outputs + lead))
    inputs, outputs = matrix.size[0], matrix.size[1] - lead
    return {
        "weight": matrix,
        "bias": tensor((outputs,)) if bias is None else array_tensor(bias),
        "inputSize": float(inputs),
        "outputSize": float(outputs),
        "normalize": float(lead),
        "offset": float(call.get("keysOffset", 0)) - 1.0,
        **call.fields("doGradInput"),
        "weightDecay": 0.0,
    }


@builds("nn.Bilinear")
def bilinear(call: Call) -> dict[str, Any]:
    """Weight (out, in1, in2)."""
    left, right, outputs = call.ints("inputSize1 inputSize2 outputSize")
    return {"weight": tensor((outputs, left, right))} | _bias(call, outputs)


@builds("nn.Maxout")
def maxout(call: Call) -> dict[str, Any]:
    """A linear map to all pieces, and the largest of each."""
    inputs, outputs, pieces = call.ints("inputSize outputSize maxoutNumber")
    view = new("nn.View", (pieces, outputs))
    view.fields["numInputDims"] = 1.0
    return modules(new("nn.Linear", inputs, outputs * pieces), view, new("nn.Max", 1, 2))


@builds("nn.Euclidean")
def euclidean(call: Call) -> dict[str, Any]:
    """Centres (in, out)."""
    return {"weight": tensor(call.ints("inputSize outputSize")), "fastBackward": True}


@builds("nn.WeightedEuclidean")
def weighted_euclidean(call: Call) -> dict[str, Any]:
    """Centres (in, out) and a weight of one a coordinate."""
    shape = call.ints("inputSize outputSize")
    return {"weight": tensor(shape), "diagCov": tensor(shape, fill=1.0)}


@builds("nn.Cosine")
def cosine(call: Call) -> dict[str, Any]:
    """Weight (out, in)."""
    return {"weight": tensor(call.ints("outputSize inputSize"))}


@builds("nn.Kmeans")
def kmeans(call: Call) -> dict[str, Any]:
    """Centres (k, dim)."""
    return {
        **call.fields("k dim scale"),
        "weight": tensor(call.ints("k dim")),
        "clusterSampleCount": tensor(call.ints("k")),
    }


@builds("nn.Add")
def add(call: Call) -> dict[str, Any]:
    """One number an element, or one for all."""
    size = 1 if call.get("scalar") else call["inputSize"]
    return call.fields("scalar?") | {"bias": tensor((size,)), "_ones": tensor((1,), fill=1.0)}


@builds("nn.CAdd")
def c_add(call: Call) -> dict[str, Any]:
    """Sizes of one are broadcast."""
    return {"size": long_storage(call["sizes"]), "bias": tensor(call["sizes"])}


@builds("nn.CMul")
def c_mul(call: Call) -> dict[str, Any]:
    """Sizes of one are broadcast."""
    return {"size": long_storage(call["sizes"]), "weight": tensor(call["sizes"])}


@builds("nn.Mul")
def mul(call: Call) -> dict[str, Any]:
    """One factor for everything."""
    return {"weight": tensor((1,))}


@builds("nn.PReLU")
def prelu(call: Call) -> dict[str, Any]:
    """One slope a channel, or a single one for all."""
    (planes,) = call.ints("nOutputPlane")
    return call.fields("nOutputPlane") | {"weight": tensor((planes or 1,), fill=0.25)}


@builds("nn.LookupTable")
def lookup_table(call: Call) -> dict[str, Any]:
    """One row an index, counted from 1."""
    rows = {"weight": tensor(call.ints("nIndex nOutput"))}
    return call.fields("paddingValue maxNorm normType") | rows
