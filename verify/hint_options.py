"""Hints from v1's layer itself: which option, changed, makes it give what v2 gives."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from migrate.graph import Module
from verify.hint_fit import fitted, values_of
from verify.hints import Evidence, Hint
from verify.measure import distance
from verify.oracle import Oracle

__all__ = ["option_hint"]

Array = np.ndarray[Any, Any]


class Trial(NamedTuple):
    """One change to v1's layer, or to what it takes.

    Attributes:
        hint: what it would mean.
        module: the changed layer.
        given: what it takes.
        training: in which mode.
    """

    hint: Hint
    module: Module
    given: Any
    training: bool = False


# What a field of a module is about.
FIELDS = {
    "eps": "epsilon", "momentum": "momentum", "ceil_mode": "rounding",
    "dW": "stride", "dH": "stride", "dT": "stride",
    "dilationW": "stride", "dilationH": "stride", "dilationT": "stride",
    "padW": "padding", "padH": "padding", "padT": "padding", "pad": "padding",
    "pad_l": "padding", "pad_r": "padding", "pad_t": "padding", "pad_b": "padding",
    "count_include_pad": "padding", "value": "padding", "index": "padding",
    "negval": "slope", "alpha": "slope", "lambda": "slope", "beta": "slope",
    "threshold": "slope", "val": "slope",
    "min_val": "bounds", "max_val": "bounds", "min_value": "bounds", "max_value": "bounds",
    "dimension": "axis", "sizeAverage": "scale", "divide": "scale", "v2": "scale",
    "p": "scale", "constant_scalar": "scale",
}  # fmt: skip
# Options of one class that mean something else there.
OF_CLASS = {
    ("nn.SpatialCrossMapLRN", "alpha"): "option",
    ("nn.SpatialCrossMapLRN", "beta"): "option",
    ("nn.CrossMapNormalization", "alpha"): "option",
    ("nn.CrossMapNormalization", "beta"): "option",
    ("nn.AddConstant", "constant_scalar"): "bias",
    ("nn.Power", "pow"): "option",
}
UNREAD = frozenset({"train", "inplace", "_type", "numElements", "nInputPlane", "nOutputPlane"})
SIDES = (("pad_l", "pad_r"), ("pad_t", "pad_b"), ("pad_ft", "pad_bk"))


def option_hint(evidence: Evidence) -> Hint | None:
    """The first change that gives what v2 gives."""
    if evidence.got is None:
        return None
    if not evidence.module.children and _equal(evidence.given, evidence.got, 0.0):
        return Hint("identity", "gives its input as it is: the layer does nothing in v2")
    for trials in _TRIALS:
        for trial in trials(evidence.module, evidence.given):
            output = _forward(trial)
            if output is not None and _equal(output, evidence.got, evidence.limit):
                return trial.hint
    return fitted(evidence, FIELDS, OF_CLASS)


def _equal(a: Any, b: Any, limit: float) -> bool:
    try:
        return distance(a, b) <= limit
    except ValueError:
        return False


def _forward(trial: Trial) -> Any:
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Oracle(trial.module, trial.training).forward(trial.given)
    except Exception:  # noqa: BLE001 - a change that makes no sense is no explanation
        return None


def kind_of(module: Module, name: str) -> str:
    """What a field is about."""
    return OF_CLASS.get((module.class_name, name)) or FIELDS.get(name, "option")


def _set(module: Module, **fields: Any) -> Module:
    return replace(module, fields={**module.fields, **fields})


def _modes(module: Module, given: Any) -> Iterator[Trial]:
    text = "runs in training mode where v1 evaluates"
    yield Trial(Hint("mode", text), module, given, training=True)


def _fields(module: Module, given: Any) -> Iterator[Trial]:
    """One option with another value, as people mistake them."""
    for name, value in module.fields.items():
        if name in UNREAD or not isinstance(value, bool | int | float):
            continue
        for other in values_of(name, value):
            text = f"as v1 with {name} = {other} in place of {value}"
            yield Trial(Hint(kind_of(module, name), text), _set(module, **{name: other}), given)
    for name in ("ceil_mode", "count_include_pad", "divide", "squeeze"):
        if name not in module.fields:
            hint = Hint(kind_of(module, name), f"as v1 with {name} = true")
            yield Trial(hint, _set(module, **{name: True}), given)


def _pairs(module: Module, given: Any) -> Iterator[Trial]:
    """Options of width and height changed together, or in each other's place."""
    fields = module.fields
    for one, two in (*SIDES, ("min_val", "max_val")):
        if fields.get(one) != fields.get(two) and one in fields:
            text = f"as v1 with {one} and {two} in each other's place"
            kind = kind_of(module, one)
            yield Trial(
                Hint(kind, text), _set(module, **{one: fields[two], two: fields[one]}), given
            )
    swapped = {a: fields[b] for pair in SIDES for a, b in (pair, pair[::-1]) if b in fields}
    if swapped:
        text = "as v1 with the padding of every side at the other side"
        yield Trial(Hint("padding", text), _set(module, **swapped), given)
    for name in ("d", "k", "pad", "dilation", "adj"):
        one, two = f"{name}W", f"{name}H"
        if one not in fields or two not in fields:
            continue
        if fields[one] != fields[two]:
            text = f"as v1 with {one} and {two} in each other's place"
            changed = _set(module, **{one: fields[two], two: fields[one]})
            yield Trial(Hint(kind_of(module, one), text), changed, given)
        for step in (1, -1):
            text = f"as v1 with {one} and {two} {step:+d}"
            changed = _set(module, **{one: fields[one] + step, two: fields[two] + step})
            yield Trial(Hint(kind_of(module, one), text), changed, given)


def _children(module: Module, given: Any) -> Iterator[Trial]:
    """Branches in another order, or without one of them."""
    count = len(module.children)
    if not 1 < count <= 5:
        return
    for order in itertools.permutations(range(count)):
        chosen = tuple(module.children[i] for i in order)
        if chosen != module.children:
            text = f"its modules in the order {', '.join(str(i + 1) for i in order)}"
            yield Trial(Hint("branches", text), replace(module, children=chosen), given)
    for i in range(count):
        rest = module.children[:i] + module.children[i + 1 :]
        text = f"without {module.children[i]}"
        yield Trial(Hint("branches", text), replace(module, children=rest), given)


def _entries(module: Module, given: Any) -> Iterator[Trial]:
    """A table in another order, or without an entry."""
    if not isinstance(given, list) or not 1 < len(given) <= 5:
        return
    for order in itertools.permutations(range(len(given))):
        if order != tuple(range(len(given))):
            text = f"takes its input table in the order {', '.join(str(i + 1) for i in order)}"
            yield Trial(Hint("branches", text), module, [given[i] for i in order])
    for i in range(len(given)):
        text = f"takes its input table without entry {i + 1}"
        yield Trial(Hint("branches", text), module, given[:i] + given[i + 1 :])
    plain = Module("", "nn.Identity", "nn.Identity")
    for i, entry in enumerate(given, 1):
        yield Trial(Hint("branches", f"gives entry {i} of its input alone"), plain, entry)


def _layouts(module: Module, given: Any) -> Iterator[Trial]:
    """The input's values taken in another order of axes, or reversed."""
    if not isinstance(given, np.ndarray) or module.children:
        return
    for axes in itertools.permutations(range(given.ndim)):
        if axes != tuple(range(given.ndim)) and given.ndim <= 5:
            text = f"takes its input with axes in the order {axes}"
            yield Trial(Hint("layout", text), module, np.transpose(given, axes))
    if given.dtype.kind in "iu" or not (given % 1).any():
        for step in (1, -1):
            yield Trial(
                Hint("shift", f"takes its input {step:+d}: off by one"), module, given + step
            )


def _sides(module: Module, given: Any) -> Iterator[Trial]:
    """The same amount of padding, more of it at one side."""
    pads = [module.get(name, 0) for name in ("padH", "padW")]
    if not isinstance(given, np.ndarray) or given.ndim != 4 or not any(pads):
        return
    bare = _set(module, padW=0.0, padH=0.0)
    pooling = "Max" in module.class_name
    fill = float(np.finfo(np.float32).min) if pooling else 0.0
    rows, columns = (int(pad) for pad in pads)
    for top, left in itertools.product(range(2 * rows + 1), range(2 * columns + 1)):
        if (top, left) == (rows, columns):
            continue
        widths = ((0, 0), (0, 0), (top, 2 * rows - top), (left, 2 * columns - left))
        padded = np.pad(given, widths, constant_values=fill)
        text = f"pads {top}, {2 * rows - top} rows and {left}, {2 * columns - left} columns"
        yield Trial(Hint("padding", f"{text} where v1 pads {rows} and {columns}"), bare, padded)


def _tensors(module: Module, given: Any) -> Iterator[Trial]:
    """Tensors transposed or left out, where v2's own cannot be compared as they are."""
    from migrate.graph import own_parameters, with_tensor

    for p in own_parameters(module):
        values = module.array(p.name)
        zeroed = with_tensor(module, p.name, np.zeros_like(values))
        yield Trial(Hint("dropped", f"as v1 without {p.name}"), zeroed, given)
        if values.ndim == 2 and values.shape[0] == values.shape[1]:
            turned = with_tensor(module, p.name, values.T.copy())
            yield Trial(Hint("transposed", f"as v1 with {p.name} transposed"), turned, given)


_TRIALS: tuple[Callable[[Module, Any], Iterator[Trial]], ...] = (
    _modes, _fields, _pairs, _sides, _children, _entries, _layouts, _tensors,
)  # fmt: skip
