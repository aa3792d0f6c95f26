"""Modules that hold modules."""

from __future__ import annotations

from typing import Any

from migrate.construct.constructor import Call, builds, new
from migrate.construct.objects import modules, tensor
from migrate.t7.objects import Table

# Class: its fields as Call.fields reads them. Children are given.
FIELDS = {
    "nn.Concat": "dimension",
    "nn.ConcatTable": "",
    "nn.DepthConcat": "dimension",
    "nn.NaN": "id",
    "nn.Parallel": "inputDimension outputDimension",
    "nn.ParallelTable": "",
    "nn.Sequential": "",
}


def _holds(names: str) -> Any:
    return lambda call: call.fields(names) | modules(*call.children)


for _class_name, _names in FIELDS.items():
    builds(_class_name)(_holds(_names))


@builds("nn.MapTable")
def map_table(call: Call) -> dict[str, Any]:
    """One module for every entry; copies share these tensors."""
    (module,) = call.children
    shared = ("weight", "bias", "gradWeight", "gradBias")
    return {
        "module": module,
        "shared": call.get("shared", True),
        "sharedparams": Table(enumerate(shared, 1)),
        **modules(module),
    }


@builds("nn.Bottle")
def bottle(call: Call) -> dict[str, Any]:
    """Leading dimensions are merged for the module inside."""
    inputs, outputs = call.ints("nInputDim nOutputDim")
    return {
        **call.fields("nInputDim nOutputDim"),
        "dimDelta": float(inputs - outputs),
        "inShape": tensor((inputs,)),
        "outShape": tensor((outputs,)),
        **modules(*call.children),
    }


@builds("nn.DontCast")
def dont_cast(call: Call) -> dict[str, Any]:
    """Casts what goes out as what comes in, unless told otherwise."""
    fields = call.fields("castin castout moduleType")
    if fields.get("castin"):  # Lua's `castout == nil and castin or castout`: false stays nil
        fields.setdefault("castout", True)
    if fields.get("castin") or fields.get("castout"):
        fields.setdefault("moduleType", "torch.FloatTensor")
    return fields | modules(*call.children)


@builds("nn.Profile")
def profile(call: Call) -> dict[str, Any]:
    """Measures the module inside; named by its class unless told otherwise."""
    (module,) = call.children
    name = {"name": module.class_name}
    return {"module": module, **name, **call.fields("print_interval name"), **modules(module)}


@builds("nn.CReLU")
def crelu(call: Call) -> dict[str, Any]:
    """The positive parts of the input and of its negative, joined."""
    inplace = bool(call.get("inplace", False))
    both = new("nn.ConcatTable", children=(new("nn.Identity"), new("nn.MulConstant", -1)))
    return {
        **call.fields("nInputDims"),
        "inplace": inplace,
        **modules(both, new("nn.JoinTable", 2), new("nn.ReLU", inplace)),
    }
