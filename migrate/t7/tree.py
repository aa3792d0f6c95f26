"""What is in a file, by path: classes, tensors, and the models that sit anywhere inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from migrate.t7 import paths
from migrate.t7.objects import Function, Storage, Table, Tensor, TorchObject
from migrate.t7.paths import Trail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

__all__ = ["TensorInfo", "classes", "find_criteria", "find_modules", "tensors", "walk"]

# A module of a class of its own is known by what nn.Module gives every module.
_MODULE_FIELDS: Final = frozenset({"output", "gradInput"})
_CONTAINERS: Final = (Table, TorchObject, Tensor, Storage, Function)
_MODULE_PACKAGES: Final = ("nn.", "cudnn.", "cunn.", "inn.")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of a file.

    Attributes:
        path: e.g. ``modules[3].weight``: the first place where it is met.
        class_name: as in the file.
        shape: its size; ``(0,)`` for an empty tensor, as ``Tensor.numpy`` gives it.
        dtype: of its elements.
        bytes: that its storage takes in the file.
        shares: path of an earlier tensor over the same storage, or None.
    """

    path: str
    class_name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    bytes: int
    shares: str | None


def walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Every container in a value with its path, outer before inner, each once."""
    return ((path, item) for path, item, _ in _walk(value, lambda _: False))


def classes(value: Any) -> dict[str, list[str]]:
    """The paths of the objects of each class (tensors and storages aside), in order of meeting."""
    found: dict[str, list[str]] = {}
    for path, item in walk(value):
        if isinstance(item, TorchObject):
            found.setdefault(item.class_name, []).append(path)
    return found


def tensors(value: Any) -> list[TensorInfo]:
    """All tensors of a value, each once."""
    found = []
    owners: dict[int, str] = {}
    for path, item in walk(value):
        if not isinstance(item, Tensor):
            continue
        storage = item.storage
        found.append(
            TensorInfo(
                path=path,
                class_name=item.class_name,
                shape=item.size or (0,),
                dtype=item.dtype,
                bytes=0 if storage is None else storage.data.nbytes,
                shares=None if storage is None else owners.get(id(storage)),
            )
        )
        if storage is not None:
            owners.setdefault(id(storage), path)
    return found


def find_modules(value: Any) -> list[tuple[str, TorchObject]]:
    """The models of a value, wherever they sit: its outermost ``nn`` modules, with their paths.

    A model may stand alone, or in a table beside an epoch and an optimizer's state.
    """
    return [(path, item) for path, item, outermost in _walk(value, _is_module) if outermost]


def find_criteria(value: Any) -> list[tuple[str, TorchObject]]:
    """The outermost criteria (losses) of a value that are no part of a model, with their paths."""
    return [
        (path, item)
        for path, item, outermost in _walk(value, lambda item: _is_module(item) or _is_loss(item))
        if outermost and _is_loss(item)
    ]


def _is_loss(item: Any) -> bool:
    return isinstance(item, TorchObject) and item.class_name.endswith("Criterion")


def _is_module(item: Any) -> bool:
    if not isinstance(item, TorchObject) or _is_loss(item):
        return False
    known = item.class_name.startswith(_MODULE_PACKAGES)
    return known or item.fields.keys() >= _MODULE_FIELDS or "modules" in item


def _walk(value: Any, stop: Callable[[Any], bool]) -> Iterator[tuple[str, Any, bool]]:
    """Containers with their paths, and whether ``stop`` held there: then nothing inside follows."""
    seen: set[int] = set()
    stack: list[tuple[Any, Trail]] = [(value, Trail())]
    while stack:
        item, trail = stack.pop()
        if not isinstance(item, _CONTAINERS) or id(item) in seen:
            continue
        seen.add(id(item))
        stopped = stop(item)
        yield str(trail), item, stopped
        if not stopped:
            inner = [(child, trail.then(step)) for step, child in _children(item)]
            stack.extend(reversed(inner))


def _children(item: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(item, TorchObject):
        item = item.fields
    if isinstance(item, Table):
        for key, child in item.items():
            if isinstance(key, _CONTAINERS):
                yield f"[key {paths.kind(key)}]", key
            if isinstance(child, _CONTAINERS):
                yield paths.part(key), child
    elif isinstance(item, Function):
        yield ".upvalues", item.upvalues
    elif isinstance(item, Tensor):
        yield ".storage", item.storage
