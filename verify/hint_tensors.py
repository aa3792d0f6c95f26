"""Hints from a layer's tensors: how v2's values differ from v1's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from migrate.graph import own_parameters
from verify.hints import Evidence, Hint

__all__ = ["tensor_hint"]

Array = np.ndarray[Any, Any]
CLOSE = 1e-5
FEW = 3  # rows or columns that a hint lists


def tensor_hint(evidence: Evidence) -> Hint | None:
    """The first tensor that is not v1's, and in which way."""
    module = evidence.module
    for p in own_parameters(module):
        if p.name not in evidence.tensors:
            text = f"{p.name}: v2 has no such tensor; it was dropped"
            return Hint("dropped", text)
    different = _different(evidence)
    for name, (_, theirs) in different.items():
        other = _name_of(evidence, name, theirs)
        if other:
            return Hint("swapped", f"{name}: holds v1's {other}")
    return next((_difference(name, *values) for name, values in different.items()), None)


def _different(evidence: Evidence) -> dict[str, tuple[Array, Array]]:
    """Name → (v1's, v2's) of the tensors that are not the same."""
    module, found = evidence.module, {}
    for name, theirs in evidence.tensors.items():
        ours = module.array(name)
        if module.class_name == "modules.DiscretizerLayer":  # v2 keeps the rows by feature
            ours = ours[np.argsort(module.array("featureIds"), kind="stable")]
        if _same(ours, theirs) or (not evidence.torch_layout and _in_other_layout(ours, theirs)):
            continue
        found[name] = (ours, theirs if evidence.torch_layout else _in_v1_layout(ours, theirs))
    return found


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _in_other_layout(ours: Array, theirs: Array) -> bool:
    """Whether they are the same but for the order of axes, or for their shape."""
    if ours.ndim != theirs.ndim:
        return _same(ours.ravel(), theirs.ravel())
    orders = itertools.permutations(range(ours.ndim))
    return any(_same(np.transpose(ours, axes), theirs) for axes in orders)


def _in_v1_layout(ours: Array, theirs: Array) -> Array:
    """Theirs with its axes in the order in which it is most like v1's, where one has v1's shape."""
    if ours.ndim != theirs.ndim:
        return theirs
    turned = (np.transpose(theirs, axes) for axes in itertools.permutations(range(ours.ndim)))
    fitting = [t for t in turned if t.shape == ours.shape]
    return max(fitting, key=lambda t: int((t == ours).sum()), default=theirs)


def _name_of(evidence: Evidence, name: str, theirs: Array) -> str | None:
    """Which other tensor of v1's module these values are."""
    others = (n for n in evidence.tensors if n != name)
    ours = evidence.module.array(name)
    return next(
        (
            n
            for n in others
            if _same(evidence.module.array(n), theirs)
            and not _same(evidence.module.array(n), ours)
            and np.ptp(theirs)
        ),
        None,
    )


def _difference(name: str, ours: Array, theirs: Array) -> Hint:
    if ours.shape != theirs.shape:
        if ours.size == theirs.size and ours.ndim == 2 and _same(ours.T, theirs):
            return Hint("transposed", f"{name}: is transposed")
        return Hint("shape", f"{name}: shape {theirs.shape} cannot hold v1's {ours.shape}")
    for relation in _RELATIONS:
        hint = relation(name, ours, theirs)
        if hint is not None:
            return hint
    off = np.argwhere(theirs != ours)
    lines = _few_lines(ours.shape, off) if ours.ndim > 1 else None
    if lines:
        return Hint("changed", f"{name}: {lines} (from 0) is not v1's, the others are")
    first = ", ".join(str(int(i)) for i in off[0])
    text = f"{name}: {len(off)} of {ours.size} values are not v1's, first at [{first}]"
    return Hint("changed", text)


def _few_lines(shape: tuple[int, ...], off: Array) -> str | None:
    """The rows, columns or places of one axis that hold all values that are off, if they are few.

    Args:
        shape: of the tensor.
        off: [n, axes] where it differs.
    """
    for axis, places in enumerate(off.T):
        few = sorted(set(places.tolist()))
        if len(few) < shape[axis] and len(few) <= FEW:
            kind = ("row", "column")[axis] if len(shape) == 2 else f"place on axis {axis}"
            return f"{kind} {', '.join(map(str, few))}"
    return None


def _zero(name: str, ours: Array, theirs: Array) -> Hint | None:
    if theirs.any() or not ours.any():
        return None
    return Hint("dropped", f"{name}: all zero in v2; it was dropped, or never set")


def _constant(name: str, ours: Array, theirs: Array) -> Hint | None:
    if ours.size < 2 or np.ptp(theirs) or not np.ptp(ours):
        return None
    value = float(theirs.flat[0])
    return Hint("shared", f"{name}: one value ({value:.6g}) for all, where v1 has one each")


def _axes(name: str, ours: Array, theirs: Array) -> Hint | None:
    for axes in itertools.permutations(range(ours.ndim)):
        if _same(np.transpose(ours, axes), theirs):
            return Hint("transposed", f"{name}: is transposed, axes {axes}")
    return None


def _flipped(name: str, ours: Array, theirs: Array) -> Hint | None:
    for n in range(1, ours.ndim + 1):
        for axes in itertools.combinations(range(ours.ndim), n):
            if _same(np.flip(ours, axes), theirs):
                return Hint("order", f"{name}: reversed along axis {_listed(axes)}")
    return None


def _shifted(name: str, ours: Array, theirs: Array) -> Hint | None:
    for axis in range(ours.ndim):
        if ours.shape[axis] < 3:
            continue
        a, b = np.moveaxis(ours, axis, 0), np.moveaxis(theirs, axis, 0)
        for step, same in ((1, _same(a[:-1], b[1:])), (-1, _same(a[1:], b[:-1]))):
            if same:
                return Hint("shift", f"{name}: shifted by {step:+d} along axis {axis}: off by one")
    return None


def _ordered(name: str, ours: Array, theirs: Array) -> Hint | None:
    for axis in range(ours.ndim):
        a = np.moveaxis(ours, axis, 0).reshape(ours.shape[axis], -1)
        b = np.moveaxis(theirs, axis, 0).reshape(ours.shape[axis], -1)
        if not _same(a[np.lexsort(a.T)], b[np.lexsort(b.T)]):
            continue
        channels = next(_images(a, b), None)
        if channels is not None:
            text = f"{name}: axis {axis} counts as a channels-last image of {channels} channels"
            return Hint("layout", f"{text}; Torch flattens channel by channel")
        return Hint("order", f"{name}: v1's values in another order along axis {axis}")
    if _same(np.sort(ours, axis=None), np.sort(theirs, axis=None)):
        return Hint("order", f"{name}: v1's values in another order")
    return None


def _images(a: Array, b: Array) -> Iterator[int]:
    """Numbers of channels c for which b is a read as [rest, c] where a was [c, rest]."""
    for c in range(2, len(a) // 2 + 1):
        if len(a) % c == 0:
            turned = a.reshape(c, len(a) // c, -1).transpose(1, 0, 2).reshape(a.shape)
            if _same(turned, b):
                yield c


def _scaled(name: str, ours: Array, theirs: Array) -> Hint | None:
    used = ours != 0
    if not used.any() or theirs[~used].any():
        return None
    ratio = theirs[used].astype(np.float64) / ours[used]
    if np.ptp(ratio) > CLOSE * abs(ratio[0]):
        return None
    return Hint("scale", f"{name}: v1's values times {ratio[0]:.6g}")


def _listed(axes: tuple[int, ...]) -> str:
    return " and ".join(map(str, axes))


_RELATIONS: tuple[Callable[[str, Array, Array], Hint | None], ...] = (
    _zero, _constant, _axes, _shifted, _flipped, _ordered, _scaled,
)  # fmt: skip
