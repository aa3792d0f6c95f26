"""Which layer is the first that is not the same, and what is probably wrong with it.

Two runs of the same inputs: v1's tree in the oracle, in float32 and float64, and v2's layers. A
layer's *cumulative* error is that of v2's own run; its *local* error is what v2's layer makes of
v1's input, so that an early fault does not smear over everything behind it. Both are ratios to
the error that v1's float32 itself has (against float64), with a floor.

A container is looked at where the layers in it are v1's and what comes out is not: then they are
put together in another way. At last a training step of every batch normalization is compared, for
its momentum shows nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from migrate.graph import Module, module_path, walk
from verify.hints import Evidence, Hint, explain, explain_step
from verify.measure import floor_of, ratio_of
from verify.oracle import Oracle
from verify.report.tree import Layer, Layers
from verify.verdict import Check, Stage, Status

__all__ = ["LIMIT", "Candidate", "Fault", "Located", "locate"]

Array = np.ndarray[Any, Any]

# Honest layers stay below a few times the noise floor (measured: 3.9); faults reach hundreds.
LIMIT = 32.0

# Layers that draw random numbers in evaluation mode, too: TensorFlow's are not Torch's.
RANDOM = frozenset({"nn.SpatialFractionalMaxPooling", "nn.VolumetricFractionalMaxPooling"})


class Reference(Protocol):
    """The v1 side."""

    module: Module

    def intermediates(self, inputs: Any, dtype: Any = None) -> dict[str, tuple[Any, Any]]:
        """(input, output) of every module by path, in the order of execution."""


class Candidate(Protocol):
    """The v2 side."""

    @property
    def torch_layout(self) -> bool:
        """Whether parameters come in Torch's layout."""

    @property
    def seams(self) -> Mapping[str, Any]:
        """Path of a module → where it is in the model."""

    def run(self, takes: Any, gives: Any, value: Any) -> Any:
        """What the part from spot to spot makes of a value."""

    def run_all(self, takes: Any, gives: Any, value: Any) -> dict[str, Any]:
        """The same for several outputs by name."""

    def train_step(self, takes: Any, gives: Any, value: Any) -> tuple[Any, dict[str, Array]]:
        """Output in training mode, and the tensors after it."""

    def parameters(self) -> dict[str, Array]:
        """Torch path of every tensor → its values in the model."""


@dataclass(frozen=True)
class Fault:
    """The first layer beyond the limit.

    Attributes:
        path: of the module.
        kind: its class.
        cause: what is probably wrong.
        hint: the kind of cause, one of :data:`verify.hints.KINDS`.
    """

    path: str
    kind: str
    cause: str
    hint: str = ""


@dataclass(frozen=True)
class Located:
    """Every layer's error, and the fault if there is one."""

    layers: Layers
    fault: Fault | None

    @property
    def check(self) -> Check:
        """Whether every layer is v1's; names the first that is not."""
        fault = self.fault
        if fault is None:
            return Check("layers", Stage.VALUES, Status.PASS, "every layer is v1's")
        detail = f"first diverging layer {fault.path} [{fault.kind}]: {fault.cause}"
        numbers = {"layer": fault.path}
        return Check("layers", Stage.VALUES, Status.FAIL, detail, numbers, fault.path)


def locate(v1: Reference, v2: Candidate, inputs: Any) -> Located:
    """Compare layer by layer.

    Args:
        v1: the model as the oracle runs it.
        v2: the converted model.
        inputs: a batch that both take, in Torch's form.
    """
    return _Search(v1, v2, inputs).run()


class _Search:
    """One comparison: what both sides gave, and what was found so far."""

    def __init__(self, v1: Reference, v2: Candidate, inputs: Any) -> None:
        self.v1, self.v2 = v1, v2
        self.ours = v1.intermediates(inputs)
        self.exact = v1.intermediates(inputs, np.float64)
        self.seams = {path: v2.seams[path] for path in self.ours if path in v2.seams}
        self.modules = {m.path: m for m in walk(v1.module)}
        self.tensors = v2.parameters()
        self.reached = self._cumulative(inputs)
        self.layers: list[Layer] = []
        self.fault: Fault | None = None
        # not in v2's model: if what they feed is there and differs, that is the fault
        self.absent: list[str] = []

    def run(self) -> Located:
        for path in self.seams:
            if self._inner(path):
                if self.fault is None and self._differs(path):
                    self._compare(path)
            else:
                self._compare(path)
        if self.fault is None and self.absent:
            module = self.modules[module_path(self.absent[0])]
            text = "it takes no part in what v2 computes, and cannot be run alone"
            self._found(self.absent[0], module, Hint("computation", text))
        if self.fault is None:
            self._compare_steps()
        return Located(Layers(tuple(self.layers), LIMIT), self.fault)

    def _cumulative(self, inputs: Any) -> dict[str, Any]:
        """What every module of v2 gave in v2's own run."""
        root = v.takes if (v := self.seams.get(self.v1.module.path)) else None
        gives = {path: seam.gives for path, seam in self.seams.items()}
        try:
            return self.v2.run_all(root, gives, inputs)
        except Exception:  # noqa: BLE001 - one layer spoils the run of all: take them one by one
            return {p: _attempt(self.v2, root, spots, inputs) for p, spots in gives.items()}

    def _inner(self, path: str) -> bool:
        """Whether modules in it are compared."""
        module = self.modules[module_path(path)]
        inside = [m.path for child in module.children for m in walk(child)]
        return any(name in self.seams for name in inside)

    def _floor(self, path: str) -> float:
        return floor_of(self.ours[path][1], self.exact[path][1])

    def _differs(self, path: str) -> bool:
        ratio = ratio_of(self.ours[path][1], self.reached.get(path), self._floor(path))
        return ratio is None or ratio > LIMIT

    def _compare(self, path: str) -> None:
        module = self.modules[module_path(path)]
        if module.class_name in RANDOM:
            note = "draws random numbers: not compared"
            self.layers.append(Layer(path, module.source_class, None, None, Status.PASS, note))
            return
        (given, answer), seam, floor = self.ours[path], self.seams[path], self._floor(path)
        got = _attempt(self.v2, seam.takes, seam.gives, given)
        local = ratio_of(answer, got, floor)
        cumulative = ratio_of(answer, self.reached.get(path), floor)
        decisive = local if local is not None else cumulative
        note = "cannot be run alone" if local is None else ""
        if decisive is None:
            self.absent.append(path)
        bad = decisive is not None and decisive > LIMIT
        status = Status.FAIL if bad or decisive is None else Status.PASS
        self.layers.append(Layer(path, module.source_class, cumulative, local, status, note))
        if bad and self.fault is None:
            evidence = self._evidence(module, given, answer, got, floor)
            self._found(path, module, explain(evidence))

    def _evidence(
        self, module: Module, given: Any, answer: Any, got: Any, floor: float
    ) -> Evidence:
        found = {name: self._tensor(module, name) for name in module.tensors}
        tensors = {name: values for name, values in found.items() if values is not None}
        limit = LIMIT * floor
        return Evidence(module, given, answer, got, tensors, limit, self.v2.torch_layout)

    def _tensor(self, module: Module, name: str) -> Array | None:
        """v2's values; of the only layer inside that has such a tensor, if v2 made several."""
        prefix = f"{module.path}." if module.path else ""
        if prefix + name in self.tensors:
            return self.tensors[prefix + name]
        inside = [p for p in self.tensors if p.startswith(prefix) and p.endswith(f".{name}")]
        return self.tensors[inside[0]] if len(inside) == 1 else None

    def _found(self, path: str, module: Module, hint: Hint) -> None:
        self.fault = Fault(path, module.source_class, hint.text, hint.kind)

    def _compare_steps(self) -> None:
        """A training forward of every module with running statistics, from v1's own input."""
        for path, seam in self.seams.items():
            module = self.modules[module_path(path)]
            if "running_mean" not in module.tensors or "#" in path or self.fault is not None:
                continue
            given = self.ours[path][0]
            ours, exact = _stepped(module, given), _stepped(module, given, np.float64)
            output, after = self.v2.train_step(seam.takes, seam.gives, given)
            prefix = f"{module.path}." if module.path else ""
            names = ("running_mean", "running_var")
            got = {"output": output, **{n: after.get(prefix + n) for n in names}}
            ratios = {
                name: ratio_of(ours[name], got[name], floor_of(ours[name], exact[name]))
                for name in ours
                if got[name] is not None
            }
            worst = max((r for r in ratios.values() if r is not None), default=0.0)
            status = Status.FAIL if worst > LIMIT else Status.PASS
            row = Layer(path, module.source_class, None, worst, status, "a step of training")
            self.layers.append(row)
            if status is Status.FAIL:
                self._found(path, module, explain_step(module, ours, got))


def _stepped(module: Module, given: Any, dtype: Any = None) -> dict[str, Array]:
    """Output and running statistics of a training forward of one module."""
    oracle = Oracle(module, training=True, dtype=dtype)
    output = oracle.forward(given)
    statistics = {name: getattr(oracle.op, name) for name in ("running_mean", "running_var")}
    return {"output": output, **statistics}


def _attempt(v2: Candidate, takes: Any, gives: Any, value: Any) -> Any:
    try:
        return v2.run(takes, gives, value)
    except Exception:  # noqa: BLE001 - a layer that cannot be run is a finding, not a crash
        return None
