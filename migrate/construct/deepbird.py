"""Layers of v1 itself: networks of ``nn`` modules, and places for calibrated state."""

from __future__ import annotations

from typing import Any

from migrate.construct.constructor import Call, builds, new
from migrate.construct.objects import lua, modules
from migrate.t7.objects import Table, TorchObject


def _config(call: Call) -> dict[str, Any]:
    given = sorted(call.given & call.args.keys())
    return {"config": Table({name: lua(call[name]) for name in given})}


def _activations(call: Call) -> list[TorchObject]:
    names = call.get("activations") or ()
    return [new(f"nn.{name}") for name in ([names] if isinstance(names, str) else names)]


def _dropout(call: Call) -> list[TorchObject]:
    p = float(call.get("dropout") or 0)
    return [new("nn.Dropout", p)] if p > 0 else []


@builds("modules.FullDenseLayer")
def full_dense(call: Call) -> dict[str, Any]:
    """Linear, batch normalization if asked for, activations, dropout."""
    inputs, outputs = call.ints("inputFeatures outputFeatures")
    return _config(call) | modules(
        new("nn.Linear", inputs, outputs, call.get("bias", True)),
        *([new("nn.BatchNormalization", outputs)] if call.get("batchNorm") else []),
        *_activations(call),
        *_dropout(call),
    )


@builds("modules.FullSparseLayer")
def full_sparse(call: Call) -> dict[str, Any]:
    """A sparse linear map, activations, dropout; one that normalizes is an IndexLinear."""
    bits = call.get("inputBits")
    inputs = call["inputFeatures"] if bits is None else 1 << bits
    outputs = call["outputFeatures"]
    if call.get("normalize"):
        first = new("nn.IndexLinear", inputs, outputs, None, None, None, None, True)
    else:
        first = new("nn.SparseLinear", inputs, outputs)
    return _config(call) | modules(first, *_activations(call), *_dropout(call))


@builds("modules.DiscretizerLayer", "modules.IsotonicLayer")
def calibrated(call: Call) -> dict[str, Any]:
    """State comes from calibration."""
    return _config(call)


@builds("modules.SplitLayer")
def split(call: Call) -> dict[str, Any]:
    """A tower for each group of features, and their outputs side by side."""
    towers = tuple(new("nn.Sequential", children=tower) for tower in call.towers)
    both = new("nn.ParallelTable", children=towers), new("nn.JoinTable", 2)
    return _config(call) | modules(*both)


@builds("modules.ResidualLayer")
def residual(call: Call) -> dict[str, Any]:
    """A network and its input, added."""
    inner = new("nn.Sequential", children=call.children)
    both = new("nn.ConcatTable", children=(inner, new("nn.Identity")))
    return _config(call) | modules(both, new("nn.CAddTable"))
