"""Weights into a tree that a config describes: each tensor used once, each parameter filled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from migrate.graph import PARAMETER_FIELDS, SCRATCH, USUAL_PARAMETERS
from migrate.t7.objects import Storage, Table, Tensor, TorchObject
from migrate.weights import WeightError

__all__ = ["fill"]

Array = np.ndarray[Any, Any]

# State that only calibration makes: no constructor knows its shape, so any is taken.
CALIBRATED = {
    "modules.DiscretizerLayer": ("featureIds", "binVals", "binIds"),
    "modules.IsotonicLayer": ("xs", "ys"),
}
KINDS = {"float32": "Float", "float64": "Double", "int64": "Long", "float16": "Half"}


def fill(tree: TorchObject, weights: Any, where: str = "weights") -> None:
    """Put weights into the tensors of a constructed tree.

    Args:
        tree: what :func:`migrate.construct.construct` made.
        weights: one of

            * a Torch module: a tree of the same classes;
            * a mapping of dotted paths (``2.1.weight``, or v1's ``weight.2.1``) to tensors;
            * a flat vector in the order of ``getParameters()``.
        where: how errors name the weights.

    Raises:
        WeightError: with a table of what is missing, left over, or of the wrong shape.
    """
    if isinstance(weights, TorchObject):
        problems = list(_from_tree(tree, weights, ""))
    elif isinstance(weights, Mapping):
        problems = _from_mapping(tree, weights)
    else:
        problems = _from_vector(tree, np.asarray(weights))
    if problems:
        raise WeightError(f"{where} do not fit the model:\n  " + "\n  ".join(problems))


def slots(tree: TorchObject, path: str = "") -> Iterator[tuple[str, TorchObject, str]]:
    """(index path, owner, field) of every tensor that weights must fill, in Torch's order."""
    names = [
        *PARAMETER_FIELDS.get(tree.class_name, USUAL_PARAMETERS),
        *CALIBRATED.get(tree.class_name, ()),
        "running_mean",
        "running_var",
    ]
    calibrated = CALIBRATED.get(tree.class_name, ())
    for name in names:
        if name in tree.fields or name in calibrated:
            yield f"{path}.{name}".lstrip("."), tree, name
    for position, child in _children(tree):
        yield from slots(child, f"{path}.{position}".lstrip("."))


def _children(tree: TorchObject) -> list[tuple[int, TorchObject]]:
    table = tree.get("modules")
    entries = table.sequence() if isinstance(table, Table) else None
    return list(enumerate(entries or [], 1))


def _from_tree(tree: TorchObject, source: TorchObject, path: str) -> Iterator[str]:
    at = path or "(root)"
    if tree.class_name != source.class_name:
        yield f"{at}: the config says {tree.class_name}, the weights have {source.class_name}"
        return
    for name, value in source.fields.items():
        if isinstance(value, Tensor):
            yield from _take_tensor(tree, at, name, value)
        elif name not in ("modules", "config") and not isinstance(value, TorchObject):
            yield from _same_option(at, name, tree.get(name), value)
    yield from (
        f"{p}: missing from the weights"
        for p, owner, name in slots(tree, path)
        if owner is tree and name not in source.fields
    )
    if "_type" in source:
        tree.fields["_type"] = source["_type"]
    ours, theirs = _children(tree), _children(source)
    for (position, child), (_, other) in zip(ours, theirs, strict=False):
        yield from _from_tree(child, other, f"{path}.{position}".lstrip("."))
    for position, extra in theirs[len(ours) :]:
        yield f"{at}: child {position} [{extra.class_name}] is not in the config"
    for position, missing in ours[len(theirs) :]:
        yield f"{at}: child {position} [{missing.class_name}] is not in the weights"


def _take_tensor(tree: TorchObject, at: str, name: Any, value: Tensor) -> Iterator[str]:
    if name in SCRATCH or not value.size:
        if name in ("gradWeight", "gradBias"):  # says which parameters share their gradient
            tree.fields[name] = value
        return
    planned = tree.get(name)
    if isinstance(planned, Tensor) and planned.size != value.size:
        yield f"{at}.{name}: the config needs {planned.size}, the weights have {value.size}"
    elif planned is None and name not in CALIBRATED.get(tree.class_name, ()):
        yield f"{at}.{name}: left over, the config has no such tensor"
    tree.fields[name] = value


def _same_option(at: str, name: Any, planned: Any, value: Any) -> Iterator[str]:
    """An option that both state must agree; one that only the weights state is taken over."""
    plain = isinstance(value, bool | float | str) and isinstance(planned, bool | float | str)
    if plain and name not in ("train", "_type") and planned != value:
        yield f"{at}: {name} is {planned!r} in the config and {value!r} in the weights"


def _from_mapping(tree: TorchObject, weights: Mapping[Any, Any]) -> list[str]:
    given = {_index_path(str(key)): value for key, value in weights.items()}
    problems = []
    for path, owner, name in slots(tree):
        value = given.pop(path, None)
        if value is None:
            problems.append(f"{path}: missing from the weights")
        else:
            problems += _place(owner, name, np.asarray(value), path)
    return problems + [f"{path}: left over, the config has no such tensor" for path in given]


def _index_path(key: str) -> str:
    """``2.1.weight`` for ``2.1.weight`` and for v1's ``weight.2.1``."""
    match = re.fullmatch(r"([A-Za-z_]\w*)((?:\.\d+)+)", key)
    return f"{match[2].lstrip('.')}.{match[1]}" if match else key


def _place(owner: TorchObject, name: str, value: Array, path: str) -> list[str]:
    planned = owner.get(name)
    if isinstance(planned, Tensor) and planned.size != value.shape:
        return [f"{path}: the config needs {planned.size}, the weights have {value.shape}"]
    if str(value.dtype) not in KINDS:
        return [f"{path}: cannot take {value.dtype} values"]
    owner.fields[name] = _tensor_of(value)
    if value.dtype.kind == "f" and name in USUAL_PARAMETERS:
        owner.fields["_type"] = owner.fields[name].class_name
    return []


def _tensor_of(value: Array) -> Tensor:
    flat = np.ascontiguousarray(value).reshape(-1)
    kind = KINDS[str(value.dtype)]
    stride = tuple(int(np.prod(value.shape[i + 1 :])) for i in range(value.ndim))
    storage = Storage(f"torch.{kind}Storage", flat)
    return Tensor(f"torch.{kind}Tensor", value.shape, stride, 0, storage, value.dtype)


def _from_vector(tree: TorchObject, vector: Array) -> list[str]:
    wanted = [
        (path, owner, name)
        for path, owner, name in slots(tree)
        if name in PARAMETER_FIELDS.get(owner.class_name, USUAL_PARAMETERS)
    ]
    sizes = [int(np.prod(owner[name].size)) for _, owner, name in wanted]
    if vector.ndim != 1 or sum(sizes) != vector.size:
        return [f"the model has {sum(sizes)} parameters, the flat vector {vector.shape}"]
    problems, start = [], 0
    for (path, owner, name), size in zip(wanted, sizes, strict=True):
        part = vector[start : start + size].reshape(owner[name].size)
        problems += _place(owner, name, part, path)
        start += size
    return problems
