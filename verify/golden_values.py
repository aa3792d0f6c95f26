"""What the files of a golden case hold, in the form that checks compare."""

from __future__ import annotations

from typing import Any

import numpy as np

from migrate.graph import Module, parameters, use, walk
from verify.golden_case import Case
from verify.golden_compare import Pairs

__all__ = ["children", "listed", "loss", "with_statistics"]


def with_statistics(case: Case) -> list[Module]:
    """Batch normalizations of a case, in Torch's order."""
    return [module for module in walk(case.module) if "running_mean" in module.tensors]


def listed(case: Case, grads: list[Any]) -> list[Any]:
    """Without those that Torch has as tables of keys, where the case leaves them out."""
    if len(case.load("grad_params")) == len(grads):
        return grads
    tables = [
        p.name == "weight" and p.module.class_name == "nn.IndexLinear"
        for p in parameters(case.module)
    ]
    return [grad for grad, table in zip(grads, tables, strict=True) if not table]


def children(case: Case, outputs: dict[str, Any]) -> Pairs:
    """Of the direct children, in their order."""
    listed = case.load("intermediates")
    used: set[str] = set()
    for child, expected in zip(case.module.children, listed, strict=True):
        name = use(child.path, used)
        used.add(name)
        yield name, expected["output"], outputs[name]


def loss(case: Case) -> Any:
    """The loss, a Lua number, in the type that it was computed in."""
    return np.asarray(case.load("loss"), first_float(case.inputs))


def first_float(value: Any) -> Any:
    """The type of the first floating array in nested lists; float64 without one."""
    if isinstance(value, list):
        kinds = [first_float(entry) for entry in value if isinstance(entry, list | np.ndarray)]
        return next((kind for kind in kinds if kind == np.float32), np.dtype(np.float64))
    return value.dtype
