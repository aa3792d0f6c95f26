"""Widths that must chain: what each layer takes and gives, through containers and splits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from legacy_yaml.config import Layer
    from legacy_yaml.problems import Mark, Problems


@dataclass(frozen=True, slots=True)
class Width:
    """A number of features (of dense or sparse rows) or of planes (of images, channels first)."""

    size: int
    kind: Literal["features", "sparse", "planes"] = "features"
    source: Layer | None = field(default=None, compare=False)

    def fits(self, other: Width) -> bool:
        """False only if the two are known to differ."""
        return self.size == other.size or (self.kind == "planes") != (other.kind == "planes")


Flow: TypeAlias = "Width | tuple[Flow, ...] | None"  # a table is a tuple; None is unknown


@dataclass(frozen=True, slots=True)
class Passage:
    """What a layer needs at its input, as far as it says so, and what comes out.

    ``through`` tells that it takes anything and gives it on as wide as it came.
    """

    needs: Flow = None
    gives: Flow = None
    through: bool = False


Rule: TypeAlias = "Callable[[Checker, Layer, Flow], Passage]"


class Checker:
    """Walks layers and reports where widths do not chain."""

    def __init__(
        self,
        rule_of: Callable[[str], Rule],
        mark_of: Callable[[Layer, str], Mark],
        problems: Problems,
    ) -> None:
        self._rule_of = rule_of
        self._mark_of = mark_of
        self._problems = problems

    def layer(self, layer: Layer, incoming: Flow) -> Passage:
        """Applies the rule of one layer."""
        return self._rule_of(layer.class_name)(self, layer, incoming)

    def chain(self, layers: Iterable[Layer], incoming: Flow) -> Passage:
        """One layer after the other."""
        needs: Flow = None
        current, through = incoming, incoming is None
        for layer in layers:
            passage = self.layer(layer, current)
            needs = passage.needs if through else needs
            through = through and passage.through
            current = passage.gives
        return Passage(needs, current)

    def complain(self, layer: Layer, parameter: str, message: str) -> None:
        """Reports a problem at one argument of a layer."""
        path = f"{layer.path}.{parameter}" if parameter else layer.path
        self._problems.add(self._mark_of(layer, parameter), path, message)

    def takes(self, layer: Layer, parameter: str, needed: Width, incoming: Flow) -> None:
        """Compares what a layer takes with what reaches it."""
        if isinstance(incoming, Width) and not needed.fits(incoming):
            giver = incoming.source
            by = f"{giver.class_name} (line {giver.mark.line})" if giver else "the layer before it"
            message = f"takes {needed.size}, but {by} gives {incoming.size}"
            self.complain(layer, parameter, message)

    def keeps(self, layer: Layer, parameter: str, incoming: Flow) -> Passage:
        """A layer that is as wide as ``parameter`` says, on both sides."""
        size = layer.args.get(parameter)
        if not isinstance(size, int):
            return Passage(gives=incoming)
        self.takes(layer, parameter, Width(size), incoming)
        return Passage(Width(size), Width(size, "features", layer))
