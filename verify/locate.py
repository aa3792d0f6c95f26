"""Which layer is the first that is not the same.

Two runs of the same requests: v1's tree in the oracle, in float32 and float64, and v2's layers. A
layer's *cumulative* error is that of v2's own run; its *local* error is what v2's layer makes of
v1's input, so that an early fault does not smear over everything behind it. Both are ratios to
the error that v1's float32 itself has (against float64), with a floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from migrate.graph import Module, module_path, walk
from verify.report.tree import Layer, Layers
from verify.verdict import Status

__all__ = ["LIMIT", "Fault", "Located", "locate"]

Array = np.ndarray[Any, Any]

# Honest layers stay below a few times the noise floor (measured: 3.9); faults reach hundreds.
LIMIT = 32.0
# Relative to the largest value of the layer's output.
FLOOR = 2.0**-22


class Reference(Protocol):
    """The v1 side."""

    module: Module

    def intermediates(self, inputs: Any, dtype: Any = None) -> dict[str, tuple[Any, Any]]:
        """(input, output) of every module by path, in the order of execution."""


class Candidate(Protocol):
    """The v2 side."""

    @property
    def seams(self) -> Any:
        """Path of a module → where it is in the model."""

    def run(self, takes: Any, gives: Any, value: Any) -> Any:
        """What the part from spot to spot makes of a value."""

    def parameters(self) -> dict[str, Array]:
        """Torch path of every tensor → its values in the model."""


@dataclass(frozen=True)
class Fault:
    """The first layer beyond the limit.

    Attributes:
        path: of the module.
        kind: its class.
        cause: what is probably wrong.
    """

    path: str
    kind: str
    cause: str


@dataclass(frozen=True)
class Located:
    """Every layer's error, and the fault if there is one."""

    layers: Layers
    fault: Fault | None


def locate(v1: Reference, v2: Candidate, inputs: Any) -> Located:
    """Compare layer by layer.

    Args:
        v1: the model as the oracle runs it.
        v2: the converted model.
        inputs: a batch that both take.
    """
    ours = v1.intermediates(inputs)
    exact = v1.intermediates(inputs, np.float64)
    seams = v2.seams
    kinds = {m.path: m for m in walk(v1.module)}
    layers, fault = [], None
    for path, (given, answer) in ours.items():
        module = kinds[module_path(path)]
        if module.children or path not in seams:
            continue
        floor = _floor(answer, exact[path][1])
        seam = seams[path]
        local = _ratio(answer, _attempt(v2, seam.takes, seam.gives, given), floor)
        root_takes = seams[v1.module.path].takes
        cumulative = _ratio(answer, _attempt(v2, root_takes, seam.gives, inputs), floor)
        bad = local is None or local > LIMIT
        note = "cannot be run alone" if local is None else ""
        if bad and local is None and cumulative is not None:
            bad = cumulative > LIMIT
        status = Status.FAIL if bad else Status.PASS
        layers.append(Layer(path, module.source_class, cumulative, local, status, note))
        if bad and fault is None:
            fault = Fault(path, module.source_class, cause(module, v2.parameters()))
    return Located(Layers(tuple(layers), LIMIT), fault)


def _attempt(v2: Candidate, takes: Any, gives: Any, value: Any) -> Any:
    try:
        return v2.run(takes, gives, value)
    except Exception:  # noqa: BLE001 - a layer that cannot be run is a finding, not a crash
        return None


def cause(module: Module, parameters: dict[str, Array]) -> str:
    """What is probably wrong with a layer, from its tensors in both models."""
    findings = []
    for name in module.tensors:
        path = f"{module.path}.{name}".lstrip(".")
        if path not in parameters:
            continue
        ours, theirs = module.array(name), parameters[path]
        if module.class_name == "modules.DiscretizerLayer":  # v2 keeps the rows sorted by feature
            ours = ours[np.argsort(module.array("featureIds"), kind="stable")]
        finding = _tensor_cause(name, ours, theirs)
        if finding:
            findings.append(finding)
    return "; ".join(findings) or "its tensors are v1's: the computation itself differs"


def _tensor_cause(name: str, ours: Array, theirs: Array) -> str:
    """How a tensor differs from v1's, whatever the layout in the model."""
    same_shape = ours.shape == theirs.shape
    if same_shape and np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f"):
        return ""
    flipped = ours.ndim == 2 and ours.T.shape == theirs.shape
    if flipped and np.array_equal(ours.T, theirs):
        return ""
    if np.array_equal(np.sort(ours, axis=None), np.sort(theirs, axis=None)):
        return f"{name}: v1's values in another order" if same_shape or flipped else ""
    if same_shape or flipped:
        aligned = theirs if same_shape else theirs.T
        off = np.argwhere(aligned != ours)
        first = ", ".join(str(int(i)) for i in off[0])
        return f"{name}: {len(off)} of {ours.size} values are not v1's, first at [{first}]"
    return f"{name}: shape {theirs.shape} cannot hold v1's {ours.shape}"


def _floor(answer: Any, exact: Any) -> float:
    """The error of v1's own float32 in this layer, and never less than a few ULP of its scale."""
    errors, scales = [0.0], [0.0]
    for a, e in zip(_arrays(answer), _arrays(exact), strict=True):
        if a.size and a.dtype.kind == "f":
            errors.append(float(np.nanmax(np.abs(a.astype(np.float64) - e))))
            scales.append(float(np.nanmax(np.abs(a))))
    return max(*errors, FLOOR * max(scales), float(np.finfo(np.float32).tiny))


def _ratio(answer: Any, got: Any, floor: float) -> float | None:
    if got is None:
        return None
    reference, values = _arrays(answer), _arrays(got)
    if [a.shape for a in reference] != [v.shape for v in values]:
        return float("inf")
    worst = 0.0
    for a, v in zip(reference, values, strict=True):
        if not a.size:
            continue
        difference = np.abs(a.astype(np.float64) - v.astype(np.float64))
        difference = np.where(np.isnan(a) & np.isnan(v), 0.0, difference)
        worst = max(worst, float(np.nan_to_num(difference, nan=np.inf).max()))
    return worst / floor


def _arrays(value: Any) -> list[Array]:
    if isinstance(value, list | tuple):
        return [array for entry in value for array in _arrays(entry)]
    if hasattr(value, "row_splits"):
        return [np.asarray(c) for c in (value.row, value.key, value.value)]
    return [np.asarray(value)]
