"""The catalogue of faults that a self-test plants into v2, each a change to one module of the tree.

A fault says which modules can have it, what becomes of the module, and which kinds of cause (see
:data:`verify.hints.KINDS`) name it rightly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from migrate.graph import Module, with_tensor
from migrate.t7.objects import Table

__all__ = ["FAULTS", "Fault", "changed_tree"]

Array = np.ndarray[Any, Any]

BATCH_NORMALIZATIONS = frozenset(
    {
        "nn.BatchNormalization",
        "nn.SpatialBatchNormalization",
        "nn.VolumetricBatchNormalization",
    }
)
POOLINGS = frozenset({"nn.SpatialMaxPooling", "nn.SpatialAveragePooling"})
CONVOLUTIONS = frozenset({"nn.SpatialConvolution", "nn.SpatialDilatedConvolution"})


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        name: for the matrix.
        classes: of modules that can have it.
        change: the module with the fault; None where this one cannot have it. Takes what v1's
            module took as second argument.
        kinds: causes that name it.
        training: v2 runs in training mode where evaluation was asked for.
        in_training: it shows in a training step only.
    """

    name: str
    classes: frozenset[str]
    change: Callable[[Module, Any], Module | None]
    kinds: frozenset[str]
    training: bool = False
    in_training: bool = False


def changed_tree(root: Module, path: str, changed: Module) -> Module:
    """The tree with another module at ``path``; shared modules stay shared.

    Args:
        root: of the tree.
        path: of the module to replace.
        changed: to put in its place.
    """
    done: dict[int, Module] = {}

    def copy(module: Module) -> Module:
        if id(module) not in done:
            source = changed if module.path == path else module
            done[id(module)] = replace(
                source,
                children=tuple(copy(child) for child in source.children),
                links={name: copy(link) for name, link in source.links.items()},
            )
        return done[id(module)]

    return copy(root)


def _fields(**fields: Any) -> Callable[[Module, Any], Module]:
    return lambda module, _given: replace(module, fields={**module.fields, **fields})


def _times(name: str, factor: float, plus: float = 0.0) -> Callable[[Module, Any], Module | None]:
    def change(module: Module, _given: Any) -> Module | None:
        value = module.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        return replace(module, fields={**module.fields, name: value * factor + plus})

    return change


def _each(**plus: float) -> Callable[[Module, Any], Module | None]:
    """Something added to each of these fields that the module has."""

    def change(module: Module, _given: Any) -> Module | None:
        names = [name for name in plus if name in module.fields]
        fields = {name: module.number(name) + plus[name] for name in names}
        return replace(module, fields={**module.fields, **fields}) if names else None

    return change


def _flip(name: str, default: bool = False) -> Callable[[Module, Any], Module]:
    return lambda module, _given: replace(
        module, fields={**module.fields, name: not module.flag(name, default)}
    )


def _tensor(
    name: str, change: Callable[[Array], Array | None]
) -> Callable[[Module, Any], Module | None]:
    def changed(module: Module, _given: Any) -> Module | None:
        if name not in module.tensors or not module.tensors[name].size:
            return None
        values = change(module.array(name))
        return None if values is None else with_tensor(module, name, values)

    return changed


def _transposed(weight: Array) -> Array | None:
    square = weight.ndim == 2 and weight.shape[0] == weight.shape[1] > 1
    return weight.T.copy() if square else None


def _without_bias(bias: Array) -> Array | None:
    return np.zeros_like(bias) if bias.any() else None


def _row(weight: Array) -> Array | None:
    if len(weight) < 2:
        return None
    changed = weight.copy()
    changed[-1] += np.asarray(0.05, weight.dtype)
    return changed


def _as_channels_last(weight: Array) -> Array | None:
    """Columns of a flattened image, channel by channel, read as pixel by pixel."""
    columns = weight.shape[1]
    channels = next((c for c in range(2, columns // 2) if columns % c == 0), None)
    if channels is None:
        return None
    images = weight.reshape(len(weight), channels, -1)
    return images.transpose(0, 2, 1).reshape(weight.shape).copy()


def _one_slope(weight: Array) -> Array | None:
    return np.full_like(weight, weight.mean()) if weight.size > 1 and np.ptp(weight) else None


def _swapped_statistics(module: Module, _given: Any) -> Module | None:
    mean, var = module.array("running_mean"), module.array("running_var")
    if not np.ptp(mean) or not np.ptp(var):
        return None
    return with_tensor(with_tensor(module, "running_mean", np.abs(var)), "running_var", abs(mean))


def _reversed_children(module: Module, _given: Any) -> Module | None:
    return replace(module, children=module.children[::-1]) if len(module.children) > 1 else None


def _sides(module: Module, _given: Any) -> Module | None:
    pads = {name: module.get(name, 0.0) for name in ("pad_l", "pad_r", "pad_t", "pad_b")}
    swapped = {
        "pad_l": pads["pad_r"],
        "pad_r": pads["pad_l"],
        "pad_t": pads["pad_b"],
        "pad_b": pads["pad_t"],
    }
    return None if swapped == pads else replace(module, fields={**module.fields, **swapped})


def _same_padding(module: Module, _given: Any) -> Module | None:
    """All padding behind, as frameworks do that pad only as much as a stride needs."""
    high, wide = module.get("padH", 0.0), module.get("padW", 0.0)
    if not high or not wide:
        return None
    sides = {"pad_l": 0.0, "pad_r": 2 * wide, "pad_t": 0.0, "pad_b": 2 * high}
    padding = _plain(module, 1, "nn.SpatialZeroPadding", sides)
    bare = replace(
        module,
        path=_below(module, 2, module.short_class),
        fields={**module.fields, "padW": 0.0, "padH": 0.0},
    )
    return _sequence(module, padding, bare)


def _reversed_entries(module: Module, given: Any) -> Module | None:
    count = len(given) if isinstance(given, list) else 0
    if count < 2:
        return None
    selects = [
        _plain(module, f"1.{i}", "nn.SelectTable", {"index": float(count + 1 - i)})
        for i in range(1, count + 1)
    ]
    table = replace(_plain(module, 1, "nn.ConcatTable", {}), children=tuple(selects))
    return _sequence(module, table, replace(module, path=_below(module, 2, module.short_class)))


def _first_only(module: Module, given: Any) -> Module | None:
    if not isinstance(given, list) or len(given) < 2:
        return None
    select = _plain(module, 1, "nn.SelectTable", {"index": 1.0})
    return replace(select, path=module.path)


def _read_last(module: Module, given: Any) -> Module | None:
    """A view of channels-last values, without putting them back first."""
    if not isinstance(given, np.ndarray) or given.ndim < 3:
        return None
    swaps = [(i, i + 1) for i in range(2, given.ndim)]
    permutations = Table(
        {i: Table({1: float(a), 2: float(b)}) for i, (a, b) in enumerate(swaps, 1)}
    )
    turn = _plain(module, 1, "nn.Transpose", {"permutations": permutations})
    copy = _plain(module, 2, "nn.Contiguous", {})
    view = replace(module, path=_below(module, 3, module.short_class))
    return _sequence(module, turn, copy, view)


def _nothing(module: Module, _given: Any) -> Module:
    return replace(_plain(module, 1, "nn.Identity", {}), path=module.path)


def _as_it_is(module: Module, _given: Any) -> Module:
    return module


def _below(module: Module, position: object, name: str) -> str:
    return f"{module.path}.{position}.{name}".lstrip(".")


def _plain(parent: Module, position: object, name: str, fields: Mapping[str, Any]) -> Module:
    path = _below(parent, position, name.rpartition(".")[2])
    return Module(path, name, name, fields={"_type": parent.get("_type"), **fields})


def _sequence(module: Module, *steps: Module) -> Module:
    sequence = _plain(module, 0, "nn.Sequential", {})
    return replace(sequence, path=module.path, children=steps)


def _fault(name: str, classes: Any, change: Any, *kinds: str, **options: bool) -> Fault:
    known = frozenset({classes} if isinstance(classes, str) else classes)
    return Fault(name, known, change, frozenset(kinds), **options)


_WEIGHTED = CONVOLUTIONS | {"nn.Linear", "nn.TemporalConvolution", "nn.SpatialFullConvolution"}
_AXIS = {"nn.Sum", "nn.Mean", "nn.Max", "nn.Min"}
_BRANCHES = {"nn.Concat", "nn.DepthConcat", "nn.ParallelTable", "nn.ConcatTable"}
_LRN = {"nn.SpatialCrossMapLRN", "nn.CrossMapNormalization"}
_MODES = BATCH_NORMALIZATIONS | {"nn.Dropout", "nn.SpatialDropout"}

FAULTS: tuple[Fault, ...] = (
    _fault("wrong epsilon", BATCH_NORMALIZATIONS, _fields(eps=1e-3), "epsilon"),
    _fault("epsilon of no list", BATCH_NORMALIZATIONS, _fields(eps=4.7e-4), "epsilon"),
    _fault(
        "wrong momentum", BATCH_NORMALIZATIONS, _fields(momentum=0.9), "momentum", in_training=True
    ),
    _fault("running statistics swapped", BATCH_NORMALIZATIONS, _swapped_statistics, "swapped"),
    _fault("training mode in evaluation", _MODES, _as_it_is, "mode", training=True),
    _fault("transposed weight", "nn.Linear", _tensor("weight", _transposed), "transposed"),
    _fault("dropped bias", _WEIGHTED, _tensor("bias", _without_bias), "dropped"),
    _fault("a row of the weight changed", _WEIGHTED, _tensor("weight", _row), "changed"),
    _fault("flattened channels-last", "nn.Linear", _tensor("weight", _as_channels_last), "layout"),
    _fault("lookup off by one", "nn.LookupTable", _tensor("weight", lambda w: np.roll(w, 1, 0)),
           "shift"),
    _fault("one slope for all channels", "nn.PReLU", _tensor("weight", _one_slope), "shared"),
    _fault("wrong slope", "nn.PReLU", _tensor("weight", lambda w: w * 2), "scale"),
    _fault("wrong slope of LeakyReLU", "nn.LeakyReLU", _times("negval", 3), "slope"),
    _fault("wrong alpha of ELU", "nn.ELU", _times("alpha", 0.37), "slope"),
    _fault("wrong bounds", "nn.HardTanh", _times("max_val", 0.6), "bounds"),
    _fault("wrong beta of SoftPlus", "nn.SoftPlus", _times("beta", 2), "slope"),
    _fault("wrong threshold of SoftPlus", "nn.SoftPlus", _fields(threshold=0.5), "slope"),
    _fault("missing scale", "nn.MulConstant", _nothing, "identity", "scale"),
    _fault("old dropout without its scale", "nn.Dropout", _fields(v2=True), "identity", "scale"),
    _fault("swapped branches", _BRANCHES, _reversed_children, "branches"),
    _fault("concatenation reversed", "nn.JoinTable", _reversed_entries, "branches"),
    _fault("wrong axis of JoinTable", "nn.JoinTable", _times("dimension", 1, -1), "axis"),
    _fault("missing residual", "nn.CAddTable", _first_only, "branches"),
    _fault("padding at the wrong side", "nn.SpatialZeroPadding", _sides, "padding"),
    _fault("padding behind only", "nn.SpatialConvolution", _same_padding, "padding"),
    _fault("wrong value of Padding", "nn.Padding", _times("value", 1, 0.7), "padding"),
    _fault("ceil for floor", POOLINGS, _flip("ceil_mode"), "rounding"),
    _fault("padding not counted", "nn.SpatialAveragePooling", _flip("count_include_pad", True),
           "padding"),
    _fault("wrong stride", CONVOLUTIONS | POOLINGS, _each(dW=1, dH=1), "stride"),
    _fault("wrong dilation", "nn.SpatialDilatedConvolution", _each(dilationW=1, dilationH=1),
           "stride"),
    _fault("wrong alpha of LRN", _LRN, _times("alpha", 1e3), "option"),
    _fault("wrong k of LRN", _LRN, _times("k", 1, 0.4), "option"),
    _fault("wrong size of LRN", _LRN, _times("size", 1, 2), "option"),
    _fault("wrong axis", _AXIS, _times("dimension", 1, -1), "axis"),
    _fault("mean for sum", "nn.Sum", _flip("sizeAverage"), "scale"),
    _fault("values read in another order", {"nn.View", "nn.Reshape"}, _read_last, "layout"),
)  # fmt: skip
