"""Nodes to layers: the class looked up, the arguments bound, the children read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from legacy_yaml.bind import Binder, Bound
from legacy_yaml.config import Layer, Split, Value
from legacy_yaml.kinds import FAILED, KINDS, TEXT, Failed
from legacy_yaml.nodes import Broken, Entry, Map, Node, Scalar, Seq, describe, shorten
from legacy_yaml.problems import suggest
from legacy_yaml.registry import Param

if TYPE_CHECKING:
    from collections.abc import Mapping

    from legacy_yaml.problems import Mark, Problems
    from legacy_yaml.registry import LayerClass, Registry

_UNREADABLE = Layer("")
_NOTHING = "a layer is a class name, or one 'CLASS: arguments'"
_SPLIT = "{name, features or columns, layers}"
_SPLITS = f"a list of {_SPLIT}"
_SPLIT_PARAMS = (
    Param("name", TEXT, required=True),
    Param("features", KINDS["patterns"]),
    Param("columns", KINDS["sizes"]),
    Param("layers", KINDS["layers"], required=True),
)
_NO_ACTIVATION = ("none", "nil")


class LayerReader:
    """Reads layers; remembers where each argument was written for later checks.

    Args:
        registry: The known classes.
        problems: Receives what is wrong.
        places: For the classes that name the place of something another section describes:
            what that section says about their arguments, None where it says nothing.
    """

    def __init__(
        self, registry: Registry, problems: Problems, places: Mapping[str, Mapping[str, Value]]
    ) -> None:
        self._registry = registry
        self._places = places
        self._problems = problems
        self._activations = registry.activations()
        self._marks: dict[str, dict[str, Mark]] = {}
        self._nested = {
            "activations": self._read_activations,
            "layer": self._wrapped,
            "layers": self.layers,
            "reference": self.layer,
            "splits": self._splits,
        }

    def mark_of(self, layer: Layer, parameter: str) -> Mark:
        """Where an argument was written, or its layer if it is a default."""
        return self._marks.get(layer.path, {}).get(parameter, layer.mark)

    def layers(self, node: Node, path: str) -> tuple[Layer, ...]:
        """The layers of a list."""
        if isinstance(node, Seq):
            if not node.items:
                self._problems.add(node.mark, path, "has no layers")
            return tuple(self.layer(item, f"{path}[{i}]") for i, item in enumerate(node.items))
        if not isinstance(node, Broken):
            self._problems.add(node.mark, path, f"wants a list of layers, got {describe(node)}")
        return (_UNREADABLE,)

    def layer(self, node: Node, path: str) -> Layer:
        """One layer; one that cannot be read is reported and has no class."""
        call = self._call(node, path)
        if call is None:
            return _UNREADABLE
        name, mark, args = call.key, call.mark, call.value
        path = f"{path}.{name}"
        found = self._registry.find(name)
        if found is None:
            message = f"unknown layer class {shorten(name)!r}"
            self._problems.add(mark, path, message, self._registry.suggest(name))
            self._read_children(args, path)
            return _UNREADABLE
        if isinstance(args, Seq) and any(p.kind.nested == "layers" for p in found.params):
            message = f"{name} takes its children under 'layers', so its arguments by name"
            self._problems.add(args.mark, path, message)
            return _UNREADABLE
        binder = Binder(found.params, name, self._problems, self._nested)
        bound = binder.bind(args, mark, path)
        self._marks[path] = bound.marks
        self._place(name, bound, mark, path)
        self._check(name, bound, mark, path)
        return self._build(found, bound, mark, path)

    def _call(self, node: Node, path: str) -> Entry | None:
        """The class and its arguments, as ``CLASS: ARGS`` whatever was written."""
        match node:
            case Map(entries=(entry,)):
                return entry
            case Scalar(value=str(name)) if name:
                return Entry(name, node.mark, Scalar(node.mark, None, ""))
            case Map(entries=(first, *_)):
                keys = ", ".join(shorten(entry.key) for entry in node.entries[:4])
                message = f"{_NOTHING}; here are {len(node.entries)} keys: {keys}"
                if first.key in self._registry.names():
                    message += f"; indent the arguments deeper than {first.key!r}"
                self._problems.add(node.mark, path, message)
            case Broken():
                pass
            case _:
                self._problems.add(node.mark, path, f"{_NOTHING}, not {describe(node)}")
        return None

    def _read_children(self, args: Node, path: str) -> None:
        """Looks for problems below a class that is not known."""
        children = args.get("layers") if isinstance(args, Map) else None
        if isinstance(children, Seq):
            self.layers(children, f"{path}.layers")

    def _build(self, found: LayerClass, bound: Bound, mark: Mark, path: str) -> Layer:
        """Sorts the bound values into arguments and children."""
        values = dict(bound.values)
        children: dict[str, Any] = {"layers": (), "splits": ()}
        for param in found.params:
            if param.kind.nested in ("layer", "layers", "splits") and param.name in values:
                value = values.pop(param.name)
                kind = "splits" if param.kind.nested == "splits" else "layers"
                children[kind] = value if isinstance(value, tuple) else (value,)
        return Layer(found.name, values, frozenset(bound.given), mark=mark, path=path, **children)

    def _wrapped(self, node: Node, path: str) -> Layer:
        """The one layer of a decorator, alone or as a list of one."""
        match node:
            case Seq(items=(only,)):
                return self.layer(only, f"{path}[0]")
            case Seq():
                self._problems.add(node.mark, path, f"wants one layer, got {len(node.items)}")
                return _UNREADABLE
        return self.layer(node, path)

    def _read_activations(self, node: Node, path: str) -> Value | Failed:
        """Class names of ``nn`` without the prefix; none at all is the empty tuple."""
        if isinstance(node, Scalar) and node.text.lower() in _NO_ACTIVATION:
            return ()
        names = KINDS["names"].read(node, path, self._problems)
        if isinstance(names, Failed) or not isinstance(names, tuple):
            return FAILED
        marks = node.items if isinstance(node, Seq) else (node,)
        wrong = [
            (n, item.mark)
            for n, item in zip(names, marks, strict=True)
            if n not in self._activations
        ]
        for name, mark in wrong:
            hint = suggest(str(name).removeprefix("nn."), self._activations)
            message = f"unknown activation {shorten(str(name))!r}: a class of nn without 'nn.'"
            self._problems.add(mark, path, message, hint)
        return FAILED if wrong else names

    def _splits(self, node: Node, path: str) -> Any:
        if not isinstance(node, Seq) or not node.items:
            if not isinstance(node, Broken):
                message = f"wants {_SPLITS}, got {describe(node)}"
                self._problems.add(node.mark, path, message)
            return FAILED
        splits: dict[str, Split] = {}
        for index, item in enumerate(node.items):
            split = self._split(item, f"{path}[{index}]")
            if splits.setdefault(split.name, split) is not split:
                self._problems.add(split.mark, split.path, f"a second split named {split.name!r}")
        return tuple(splits.values())

    def _split(self, node: Node, path: str) -> Split:
        unreadable: dict[str, Any] = {
            "name": path,
            "features": (),
            "columns": (),
            "layers": (_UNREADABLE,),
        }
        if not isinstance(node, Map):
            if not isinstance(node, Broken):
                self._problems.add(node.mark, path, f"wants {_SPLIT}, got {describe(node)}")
            return Split(mark=node.mark, path=path, **unreadable)
        binder = Binder(_SPLIT_PARAMS, "a split", self._problems, self._nested)
        bound = binder.bind(node, node.mark, path)
        if len(bound.given & {"features", "columns"}) != 1:
            self._problems.add(node.mark, path, "wants either 'features' or 'columns'")
        return Split(mark=node.mark, path=path, **(unreadable | bound.values))

    def _place(self, name: str, bound: Bound, mark: Mark, path: str) -> None:
        """Completes a layer from the section it stands for; the two must agree."""
        for parameter, value in self._places.get(name, {}).items():
            if parameter not in bound.given and value is None:
                self._problems.add(mark, path, f"missing argument {parameter!r}")
            elif value is not None and bound.values.setdefault(parameter, value) != value:
                message = f"is {bound.values[parameter]}, but the document's section says {value}"
                self._problems.add(bound.marks[parameter], f"{path}.{parameter}", message)

    def _check(self, name: str, bound: Bound, mark: Mark, path: str) -> None:
        """What single parameters cannot say."""
        for alternatives in _ONE_OF.get(name, ()):
            given = [param for param in alternatives if param in bound.given]
            if len(given) != 1:
                either = " or ".join(map(repr, alternatives))
                problem = "missing argument: one of" if not given else "only one of"
                self._problems.add(mark, path, f"{problem} {either}")
        for low, high in _ASCENDING.get(name, ()):
            values: Any = bound.values.get(low), bound.values.get(high)
            if all(isinstance(v, int | float) for v in values) and not values[0] < values[1]:
                where = bound.marks.get(high, bound.marks.get(low, mark))
                message = f"{low} ({values[0]}) must be below {high} ({values[1]})"
                self._problems.add(where, path, message)


_ONE_OF = {"modules.FullSparseLayer": (("inputBits", "inputFeatures"),)}
_ASCENDING = {
    "nn.Clamp": (("min_value", "max_value"),),
    "nn.HardTanh": (("min_value", "max_value"),),
    "nn.RReLU": (("lower", "upper"),),
}
