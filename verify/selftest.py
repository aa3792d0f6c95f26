"""Plants every fault of the catalogue into golden models: is it found, and named?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import migrate
from migrate.graph import Module, build, walk
from verify.faults import FAULTS, Fault, changed_tree
from verify.golden_case import Case, discover
from verify.locate import locate
from verify.measure import distance, floor_of
from verify.oracle import Oracle

__all__ = ["Planted", "SelfTest", "Unharmed", "hosts", "plant", "self_test"]

# Places a fault is planted at, in models; in modules where no model has any.
PLACES = 3


@dataclass(frozen=True)
class Planted:
    """One planted fault, and what was said of it.

    Attributes:
        fault: its name.
        case: ``models/lenet``.
        path: of the module that has it.
        found: whether any layer was called different.
        named: path of the layer that was.
        kind: kind of the cause that was given.
        cause: the cause in words.
        right: the kind is one that names this fault.
    """

    fault: str
    case: str
    path: str
    found: bool
    named: str
    kind: str
    cause: str
    right: bool

    @property
    def module_named(self) -> bool:
        """Whether it was found in the module that has it."""
        return self.found and self.named.partition("#")[0] == self.path


@dataclass(frozen=True)
class Unharmed:
    """A model without a fault, and the layer that was called different all the same."""

    case: str
    alarm: str = ""


@dataclass(frozen=True)
class SelfTest:
    """The detection matrix.

    Attributes:
        planted: every planted fault.
        unharmed: every model as it is.
        without: faults that nothing golden could have.
    """

    planted: tuple[Planted, ...]
    unharmed: tuple[Unharmed, ...]
    without: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """All found, all in the right module, no false alarm, nothing left out."""
        alarms = any(model.alarm for model in self.unharmed)
        named = all(planted.module_named for planted in self.planted)
        return bool(self.planted) and named and not alarms and not self.without

    def lines(self) -> list[str]:
        """The matrix for a terminal."""
        rows: list[tuple[str, ...]] = [("fault", "planted", "found", "module", "cause")]
        for name in dict.fromkeys(p.fault for p in self.planted):
            of = [p for p in self.planted if p.fault == name]
            counts = (len(of), sum(p.found for p in of), sum(p.module_named for p in of))
            rows.append((name, *map(str, counts), str(sum(p.right for p in of))))
        total = self.planted
        found, named = sum(p.found for p in total), sum(p.module_named for p in total)
        right = sum(p.right for p in total)
        rows.append(("all", str(len(total)), str(found), str(named), str(right)))
        width = max(len(row[0]) for row in rows)
        lines = [f"{row[0]:{width}}" + "".join(f"{c:>9}" for c in row[1:]) for row in rows]
        for p in total:
            if not p.module_named or not p.right:
                said = f"{p.named or '-'}: {p.cause}" if p.found else "nothing"
                lines.append(f"{p.case} {p.path} with {p.fault}: found {said}")
        lines += [f"no golden case can have: {name}" for name in self.without]
        alarms = [f"false alarm: {m.case} {m.alarm}" for m in self.unharmed if m.alarm]
        lines += alarms
        lines.append(f"{len(self.unharmed)} unharmed models, {len(alarms)} false alarms")
        lines.append("PASS" if self.passed else "FAIL")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "schema": "deepbird.self-test",
            "version": 1,
            "status": "pass" if self.passed else "fail",
            "planted": [vars(p) | {"module_named": p.module_named} for p in self.planted],
            "unharmed": [vars(m) for m in self.unharmed],
            "without": list(self.without),
        }


@dataclass
class Host:
    """A golden model, or a golden module between two layers that do nothing.

    Attributes:
        case: where it comes from.
        instead: a module to take the place of the case's own, for its input.
    """

    case: Case
    instead: Module | None = None

    @cached_property
    def module(self) -> Module:
        """Root of the tree."""
        own = self.instead or self.case.module
        if self.case.suite == "models":
            return own
        inner = build(self.instead or self.case.load("model"), f"2.{own.short_class}")
        kind = {"_type": inner.get("_type")}
        around = [
            Module(f"{i}.Identity", "nn.Identity", "nn.Identity", fields=kind) for i in (1, 3)
        ]
        children = (around[0], inner, around[1])
        return Module("", "nn.Sequential", "nn.Sequential", fields=kind, children=children)

    @cached_property
    def trace(self) -> dict[str, tuple[Any, Any]]:
        """What v1's modules take and give."""
        return Oracle(self.module).trace(self.case.inputs)

    @cached_property
    def exact(self) -> dict[str, tuple[Any, Any]]:
        """The same in float64."""
        return Oracle(self.module, dtype="float64").trace(self.case.inputs)

    def modules(self, fault: Fault) -> Iterator[tuple[Module, Module]]:
        """(module, the same with the fault) where the inputs of the case would show it."""
        order = [m for path in self.trace for m in walk(self.module) if m.path == path]
        for module in order:
            if module.class_name not in fault.classes or module.path not in self.trace:
                continue
            given, answer = self.trace[module.path]
            changed = fault.change(module, given)
            if changed is None:
                continue
            if fault.in_training or _shows(
                changed, given, answer, self.exact[module.path][1], fault
            ):
                yield module, changed
                if fault.training:  # it is in every such module; the first is the one to name
                    return


def _shows(changed: Module, given: Any, answer: Any, exact: Any, fault: Fault) -> bool:
    """Whether the fault changes v1's own output beyond its noise; else no input could show it."""
    try:
        output = Oracle(changed, training=fault.training).forward(given)
    except Exception:  # noqa: BLE001 - the module cannot have this fault
        return False
    return distance(answer, output) > floor_of(answer, exact)


def hosts(folder: Path) -> tuple[list[Host], list[Host]]:
    """(models, single modules) of a golden folder."""
    cases = [c for c in discover(folder) if c.kind == "module" and not c.always_random]
    models = [Host(case) for case in cases if case.suite == "models"]
    modules = [Host(case) for case in cases if case.suite != "models"]
    sums = [case for case in cases if case.module.class_name == "nn.CAddTable"]
    return models, [*modules, *(Host(case, _join(case.module)) for case in sums)]


def _join(module: Module) -> Module:
    """Tables whose entries are of one shape can be joined along any axis."""
    fields = {"_type": module.get("_type"), "dimension": 2.0}
    return Module("2.JoinTable", "nn.JoinTable", "nn.JoinTable", fields=fields)


def plant(host: Host, fault: Fault, module: Module, changed: Module) -> Planted | None:
    """Convert the model with the fault and look for it; None where it cannot be converted."""
    from verify.engines.converted import ConvertedEngine
    from verify.engines.oracle import OracleEngine

    tree = changed_tree(host.module, module.path, changed)
    try:
        converted = migrate.convert(tree, example_inputs=host.case.inputs)
    except Exception:  # noqa: BLE001 - other layers do not fit: conversion itself tells
        return None
    v2 = ConvertedEngine(converted, fault.training)
    located = locate(OracleEngine(host.module, None, {}), v2, host.case.inputs).fault
    if located is None:
        return Planted(fault.name, host.case.name, module.path, False, "", "", "", False)
    right = located.hint in fault.kinds
    return Planted(
        fault.name,
        host.case.name,
        module.path,
        True,
        located.path,
        located.hint,
        located.cause,
        right,
    )


def self_test(
    folder: str | Path,
    *,
    faults: Iterable[Fault] = FAULTS,
    places: int = PLACES,
    unharmed: bool = True,
    progress: Callable[[object, int], None] | None = None,
) -> SelfTest:
    """Plant faults, and look at the models without any.

    Args:
        folder: a golden folder.
        faults: to plant.
        places: at most so many of each.
        unharmed: look for false alarms, too.
        progress: called with each result and the number of faults.

    Raises:
        GoldenError: there is no case in the folder.
    """
    models, modules = hosts(Path(folder))
    catalogue = list(faults)
    planted: list[Planted] = []
    used: dict[str, Host] = {host.case.name: host for host in models}
    without = []
    for fault in catalogue:
        found: list[Planted] = []
        for host in (*models, *modules):
            if len(found) >= places or (found and host in modules):
                break
            for result in _planted(host, fault):
                found.append(result)
                used[host.case.name] = host
        planted += found
        if not found:
            without.append(fault.name)
        if progress is not None:
            progress(fault, len(catalogue))
    healthy = tuple(_unharmed(host) for host in used.values()) if unharmed else ()
    return SelfTest(tuple(planted), healthy, tuple(without))


def _planted(host: Host, fault: Fault) -> Iterator[Planted]:
    """The first place of a model where the fault can be."""
    if fault.classes.isdisjoint(m.class_name for m in walk(host.module)):
        return
    for module, changed in host.modules(fault):
        result = plant(host, fault, module, changed)
        _release()
        if result is not None:
            yield result
            return


def _unharmed(host: Host) -> Unharmed:
    from verify.engines.converted import ConvertedEngine
    from verify.engines.oracle import OracleEngine

    converted = migrate.convert(host.module, example_inputs=host.case.inputs)
    v1 = OracleEngine(host.module, None, {})
    fault = locate(v1, ConvertedEngine(converted), host.case.inputs).fault
    _release()
    alarm = f"{fault.path} [{fault.kind}]: {fault.cause}" if fault else ""
    return Unharmed(host.case.name, alarm)


def _release() -> None:
    if "keras" in sys.modules:
        from verify.engines.round_trip import release

        release()
