"""Shapes that are computed when the module is made."""

from __future__ import annotations

import math
from typing import Any

from migrate.construct.constructor import Call, builds
from migrate.construct.objects import array_tensor, long_storage, modules


@builds("nn.Reshape")
def reshape(call: Call) -> dict[str, Any]:
    """Keeps its size with and without a batch."""
    sizes = call["sizes"]
    return {
        **call.fields("batchMode"),
        "size": long_storage(sizes),
        "batchsize": long_storage((1, *sizes)),
        "nelement": float(math.prod(sizes)),
    }


@builds("nn.View")
def view(call: Call) -> dict[str, Any]:
    """At most one size is -1, for whatever is left."""
    sizes = call["sizes"]
    if sum(size < 0 for size in sizes) > 1:
        raise ValueError(f"only one size can be -1, not {sizes}")
    known = math.prod(size for size in sizes if size >= 0)
    return {"size": long_storage(sizes), "numElements": float(known)}


@builds("nn.Constant")
def constant(call: Call) -> dict[str, Any]:
    """A number is a tensor of one element."""
    value = call["value"]
    return call.fields("nInputDim") | {
        "value": array_tensor(value if isinstance(value, tuple) else [value])
    }


@builds("nn.Convert")
def convert(call: Call) -> dict[str, Any]:
    """Axes by letter; a batch axis comes first where none is named."""
    given, wanted = (
        shape if "b" in shape else f"b{shape}"
        for shape in (call["inputShape"], call["outputShape"])
    )
    fields: dict[str, Any] = {
        **modules(),  # of the converter, which the first input decides
        "inputShape": given,
        "outputShape": wanted,
        "inputBatchDim": given.index("b") + 1.0,
        "outputBatchDim": wanted.index("b") + 1.0,
    }
    if "b*" in (given, wanted):
        if given != wanted:
            raise ValueError("both shapes must be b*, or none")
        return fields | {"nInputDim": -1.0, "nOutputDim": -1.0, "transposition": True}
    fields |= {"nInputDim": float(len(given)), "nOutputDim": float(len(wanted))}
    same_rank = {"transposition": set(given) <= set(wanted)} if len(given) == len(wanted) else {}
    return fields | same_rank
