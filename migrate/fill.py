"""Weights into a tree that a config describes: each tensor used once, each parameter filled."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from migrate.aliases import canonical_class
from migrate.construct.objects import KINDS, array_tensor
from migrate.graph import (
    HIDES_CHILDREN,
    PARAMETER_FIELDS,
    PARAMETER_LINKS,
    SCRATCH,
    USUAL_PARAMETERS,
)
from migrate.t7.objects import Table, Tensor, TorchObject
from migrate.weights import WeightError

__all__ = ["fill"]

Array = np.ndarray[Any, Any]

# State that only calibration makes: no constructor knows its shape, so any is taken.
CALIBRATED = {
    "modules.DiscretizerLayer": ("featureIds", "binVals", "binIds"),
    "modules.IsotonicLayer": ("xs", "ys"),
}
STATISTICS = ("running_mean", "running_var")
OLDER_NAMES = {"running_var": "running_std"}  # of files from before 2015

# Fields of a weights file that say nothing about the function: kept as the config has them.
INCIDENTAL = frozenset({"_type", "inplace", "name", "print_interval", "train"})

# A file of a module that ran over a table holds a copy of the module for every entry.
GROWING = "nn.MapTable"


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
        problems = list(_from_tree(tree, weights, "", set()))
    elif isinstance(weights, Mapping):
        problems = _from_mapping(tree, weights)
    else:
        problems = _from_vector(tree, np.asarray(weights))
    if problems:
        raise WeightError(f"{where} do not fit the model:\n  " + "\n  ".join(problems))


# --- what there is to fill -----------------------------------------------------------------------


def slots(tree: TorchObject) -> Iterator[tuple[str, TorchObject, str]]:
    """(index path, owner, field) of every tensor that weights must fill, in Torch's order.

    A tensor that several modules hold comes once.
    """
    seen: set[int] = set()
    for path, owner in _owners(tree, ""):
        for name in _own_slots(owner):
            planned = owner.get(name)
            if planned is None or id(planned) not in seen:
                seen.add(id(planned))
                yield f"{path}.{name}".lstrip("."), owner, name


def _owners(tree: TorchObject, path: str) -> Iterator[tuple[str, TorchObject]]:
    for link in PARAMETER_LINKS.get(tree.class_name, ()):
        yield from _owners(tree[link], f"{path}.{link}".lstrip("."))
    yield path, tree
    if tree.class_name not in HIDES_CHILDREN:
        for position, child in enumerate(_children(tree), 1):
            yield from _owners(child, f"{path}.{position}".lstrip("."))


def _own_slots(owner: TorchObject) -> list[str]:
    names = (*_parameter_names(owner), *STATISTICS)
    return [n for n in names if n in owner.fields] + [*CALIBRATED.get(owner.class_name, ())]


def _parameter_names(owner: TorchObject) -> tuple[str, ...]:
    return PARAMETER_FIELDS.get(owner.class_name, USUAL_PARAMETERS)


def _children(tree: TorchObject) -> list[TorchObject]:
    table = tree.get("modules")
    return (table.sequence() or []) if isinstance(table, Table) else []


def _modules(tree: TorchObject, seen: set[int]) -> Iterator[TorchObject]:
    """Every module below and including ``tree``, each once, wherever it is held."""
    if id(tree) in seen:
        return
    seen.add(id(tree))
    yield tree
    held = [value for value in tree.fields.values() if isinstance(value, TorchObject)]
    for child in (*_children(tree), *held):
        yield from _modules(child, seen)


# --- from a tree ---------------------------------------------------------------------------------


def _from_tree(tree: TorchObject, source: TorchObject, path: str, seen: set[int]) -> Iterator[str]:
    at = path or "(root)"
    if canonical_class(tree.class_name) != canonical_class(source.class_name):
        yield f"{at}: the config says {tree.class_name}, the weights have {source.class_name}"
        return
    if id(tree) in seen:
        return
    seen.add(id(tree))
    tree.version = source.version
    for name, value in list(source.fields.items()):
        if isinstance(value, Tensor):
            yield from _take_tensor(tree, at, name, value)
        elif isinstance(value, TorchObject):
            if isinstance(tree.get(name), TorchObject):
                yield from _from_tree(tree[name], value, f"{path}.{name}".lstrip("."), seen)
        else:
            yield from _take_option(tree, at, name, value)
    for name in _own_slots(tree):
        if OLDER_NAMES.get(name) in source:
            del tree.fields[name]
        elif name not in source:
            yield f"{path}.{name}: missing from the weights".lstrip(".")
    if "_type" in source:
        tree.fields["_type"] = source["_type"]
    yield from _from_children(tree, source, path, seen)


def _from_children(
    tree: TorchObject, source: TorchObject, path: str, seen: set[int]
) -> Iterator[str]:
    at = path or "(root)"
    ours, theirs = _children(tree), _children(source)
    for position, (child, other) in enumerate(zip(ours, theirs, strict=False), 1):
        yield from _from_tree(child, other, f"{path}.{position}".lstrip("."), seen)
    if tree.class_name == GROWING:
        tree["modules"].update(enumerate(theirs[len(ours) :], len(ours) + 1))
        return
    for position, extra in enumerate(theirs[len(ours) :], len(ours) + 1):
        yield f"{at}: child {position} [{extra.class_name}] is not in the config"
    for position, missing in enumerate(ours[len(theirs) :], len(theirs) + 1):
        yield f"{at}: child {position} [{missing.class_name}] is not in the weights"


def _take_tensor(tree: TorchObject, at: str, name: Any, value: Tensor) -> Iterator[str]:
    if name in SCRATCH or not value.size:
        if name in ("gradWeight", "gradBias"):  # says which parameters share their gradient
            tree.fields[name] = value
        return
    planned = tree.get(name)
    if isinstance(planned, Tensor) and not _fits(planned, value.size):
        if name in _own_slots(tree):
            yield f"{at}.{name}: the config needs {planned.size}, the weights have {value.size}"
    elif planned is None and name in _parameter_names(tree):
        yield f"{at}.{name}: left over, the config has no such tensor"
    tree.fields[name] = value


def _fits(planned: Tensor, size: tuple[int, ...]) -> bool:
    """Equal sizes; also a kernel in matrix form, as old convolutions kept theirs."""
    matrix = (*planned.size[:1], math.prod(planned.size[1:]))
    return size in (planned.size, matrix)


def _take_option(tree: TorchObject, at: str, name: Any, value: Any) -> Iterator[str]:
    """An option that both state must agree; one that only the weights state is taken over."""
    if name in INCIDENTAL or not isinstance(value, bool | float | str):
        return
    planned = tree.get(name)
    if planned is not None and not _same(planned, value):
        yield f"{at}: {name} is {planned!r} in the config and {value!r} in the weights"
    tree.fields[name] = value


def _same(planned: Any, value: Any) -> bool:
    """Numbers are equal as floats: Torch computes some of them in the type of its tensors."""
    if isinstance(planned, bool | str) or isinstance(value, bool | str):
        return bool(planned == value)
    return bool(np.float32(planned) == np.float32(value))


# --- from named tensors, or from one vector -----------------------------------------------------


def _from_mapping(tree: TorchObject, weights: Mapping[Any, Any]) -> list[str]:
    given = {_index_path(str(key)): value for key, value in weights.items()}
    problems = []
    seats = _Seats(tree)
    for path, owner, name in slots(tree):
        value = given.pop(path, None)
        if value is None:
            problems.append(f"{path}: missing from the weights")
        else:
            problems += seats.place(owner, name, np.asarray(value), path)
    return problems + [f"{path}: left over, the config has no such tensor" for path in given]


def _index_path(key: str) -> str:
    """``2.1.weight`` for ``2.1.weight`` and for v1's ``weight.2.1``."""
    match = re.fullmatch(r"([A-Za-z_]\w*)((?:\.\d+)+)", key)
    return f"{match[2].lstrip('.')}.{match[1]}" if match else key


def _from_vector(tree: TorchObject, vector: Array) -> list[str]:
    wanted = [slot for slot in slots(tree) if slot[2] in _parameter_names(slot[1])]
    sizes = [math.prod(owner[name].size) for _, owner, name in wanted]
    if vector.ndim != 1 or sum(sizes) != vector.size:
        return [f"the model has {sum(sizes)} parameters, the flat vector {vector.shape}"]
    problems, start, seats = [], 0, _Seats(tree)
    for (path, owner, name), size in zip(wanted, sizes, strict=True):
        part = vector[start : start + size].reshape(owner[name].size)
        problems += seats.place(owner, name, part, path)
        start += size
    return problems


class _Seats:
    """Where each planned tensor is held: what one module is given, all holders see."""

    def __init__(self, tree: TorchObject) -> None:
        self.holders: dict[int, list[tuple[TorchObject, Any]]] = {}
        for module in _modules(tree, set()):
            for name, value in module.fields.items():
                if isinstance(value, Tensor):
                    self.holders.setdefault(id(value), []).append((module, name))

    def place(self, owner: TorchObject, name: str, value: Array, path: str) -> list[str]:
        """Put a value into its seat; what is wrong with it."""
        planned = owner.get(name)
        if isinstance(planned, Tensor) and not _fits(planned, value.shape):
            return [f"{path}: the config needs {planned.size}, the weights have {value.shape}"]
        if str(value.dtype) not in KINDS:
            return [f"{path}: cannot take {value.dtype} values"]
        made = array_tensor(value, str(value.dtype))
        for module, field in self.holders.get(id(planned), [(owner, name)]):
            module.fields[field] = made
            if value.dtype.kind == "f" and name in _parameter_names(owner):
                module.fields["_type"] = made.class_name
        return []
