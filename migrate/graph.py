"""One frozen tree of modules, whatever the source: a ``.t7`` file, or YAML with weights.

A :class:`Module` says what Torch's object said: class, fields, tensors, children. Both the
oracle and the converters read it, and nothing else of the source.

Paths are stable names such as ``3.FullDenseLayer.1.Linear``: position (1-based, as Lua counts)
and short class name, from the root down. The root's own path is empty.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from migrate.aliases import canonical_class
from migrate.t7.objects import Storage, Table, Tensor, TorchObject
from migrate.wiring import Step, WiringError, modules_of, wiring

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping


__all__ = [
    "GraphError",
    "Module",
    "Parameter",
    "build",
    "is_criterion",
    "module_path",
    "parameters",
    "use",
    "walk",
    "with_fields",
    "with_tensor",
]

# What forward and backward leave behind. It is never needed, and saved models may lack it.
SCRATCH = frozenset({"output", "gradInput", "gradWeight", "gradBias", "finput", "fgradInput"})

# Criteria that are not called so.
CRITERIA = frozenset({"nn.CriterionTable", "nn.L1Cost"})

# Where a module keeps others: a container, and a criterion made of criteria.
CHILD_TABLES = ("modules", "criterions")

# Classes whose `parameters()` is not the usual (weight, bias).
PARAMETER_FIELDS: Mapping[str, tuple[str, ...]] = {
    "nn.LinearWeightNorm": ("v", "g", "bias"),
    "nn.WeightNorm": ("v", "g", "bias"),
    "nn.WeightedMSECriterion": (),
    "nn.WeightedEuclidean": ("weight", "diagCov"),
}
USUAL_PARAMETERS = ("weight", "bias")

# Containers whose `parameters()` stand for those of the modules in them.
HIDES_CHILDREN = frozenset({"nn.WeightNorm"})

# Classes that keep modules with parameters outside `modules`: the fields, in Torch's order.
PARAMETER_LINKS: Mapping[str, tuple[str, ...]] = {"nn.PartialLinear": ("network",)}

# Fields that hold the graph of an nn.gModule; Module.wiring and Module.children say it all.
GRAPH_CLASS = "nn.gModule"
GRAPH = frozenset({"fg", "bg", "innode", "outnode", "forwardnodes", "backwardnodes"})


class GraphError(ValueError):
    """The source holds no module tree, or one that cannot be read."""


@dataclass(frozen=True, eq=False, repr=False)
class Module:
    """One Torch module. Two modules are the same only when they are one Torch object.

    Attributes:
        path: stable name from the root, empty for the root.
        class_name: canonical class, e.g. ``nn.Linear`` (``cudnn.ReLU`` is ``nn.ReLU``).
        source_class: the class as the source spelt it.
        version: of the class header in the file; None where there was none.
        fields: everything but tensors, child modules and scratch buffers; tables as in the file.
        tensors: tensor fields; views of the file.
        children: the modules of the ``modules`` (or ``criterions``) table, in order.
        links: modules under other fields (``pooling`` of an unpooling module).
        wiring: of ``nn.gModule``: how its children are wired.
    """

    path: str
    class_name: str
    source_class: str
    version: int | None = 1
    fields: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    children: tuple[Module, ...] = ()
    links: Mapping[str, Module] = field(default_factory=dict)
    wiring: tuple[Step, ...] = ()

    @property
    def short_class(self) -> str:
        """The class without its package, ``Linear``."""
        return self.class_name.rpartition(".")[2]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors or self.fields.get(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """A non-tensor field, or ``default`` where it is missing or nil."""
        value = self.fields.get(name)
        return default if value is None else value

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole-number field (Lua stores all numbers as doubles).

        Raises:
            GraphError: it is missing and has no default, or is no whole number.
        """
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise GraphError(
                f"{self}: field {name!r} should be a whole number, the file has {value!r}"
            )
        return int(value)

    def number(self, name: str, default: float | None = None) -> float:
        """A number field.

        Raises:
            GraphError: it is missing and has no default, or is no number.
        """
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise GraphError(f"{self}: field {name!r} should be a number, the file has {value!r}")
        return float(value)

    def integers(self, name: str) -> tuple[int, ...]:
        """The whole numbers of a storage, tensor or table field; () where it is missing.

        Raises:
            GraphError: an entry is no whole number.
        """
        value = self.tensors.get(name, self.get(name, ()))
        if isinstance(value, Table):
            sequence = value.sequence()
            value = [value] if sequence is None else sequence
        elif isinstance(value, Tensor):
            value = value.numpy().reshape(-1)
        elif isinstance(value, Storage):
            value = value.data
        entries: list[Any] = [value] if np.isscalar(value) else list(value)
        if not all(isinstance(e, int | float | np.number) and e == int(e) for e in entries):
            raise GraphError(f"{self}: field {name!r} should hold whole numbers, got {entries}")
        return tuple(int(e) for e in entries)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean field; as in Lua everything but nil and false is true."""
        value = self.fields.get(name)
        return default if value is None else value is not False

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """The tensor ``name`` as a read-only view of the source.

        Raises:
            GraphError: the module has no such tensor.
        """
        try:
            return self.tensors[name].numpy()
        except KeyError:
            have = ", ".join(sorted(self.tensors)) or "none"
            raise GraphError(f"{self}: no tensor {name!r}; the file has: {have}") from None

    def __str__(self) -> str:
        return f"{self.path or '(root)'} [{self.source_class}]"

    __repr__ = __str__


@dataclass(frozen=True)
class Parameter:
    """A trainable tensor of a module.

    Attributes:
        module: its owner.
        name: field name, ``weight``.
    """

    module: Module
    name: str

    @property
    def path(self) -> str:
        """``3.FullDenseLayer.1.Linear.weight``."""
        return f"{self.module.path}.{self.name}".lstrip(".")

    @property
    def tensor(self) -> Tensor:
        """The values in Torch's layout."""
        return self.module.tensors[self.name]


def tensor_key(tensor: Tensor) -> tuple[int, int, tuple[int, ...], tuple[int, ...]]:
    """Equal for two tensors exactly when they are the same view of the same storage."""
    return (id(tensor.storage), tensor.offset, tensor.size, tensor.stride)


def build(value: Any, path: str = "") -> Module:
    """The module tree of a Torch object; a :class:`Module` is returned as it is.

    Args:
        value: an ``nn`` object as :func:`migrate.t7.load` gives it.
        path: prefix for all paths.

    Raises:
        GraphError: ``value`` is no Torch object.
    """
    if isinstance(value, Module):
        return value
    if not isinstance(value, TorchObject):
        raise GraphError(f"expected a Torch module, got {type(value).__name__}")
    return _Builder().module(value, path)


class _Builder:
    """Walks a tree of Torch objects; one object becomes one Module however often it occurs."""

    def __init__(self) -> None:
        self.done: dict[int, Module] = {}
        self.open: set[int] = set()

    def module(self, obj: TorchObject, path: str) -> Module:
        known = self.done.get(id(obj))
        if known is not None:
            return known
        if id(obj) in self.open:
            raise GraphError(f"{path}: the module contains itself")
        self.open.add(id(obj))
        fields, tensors, links = {}, {}, {}
        unread = SCRATCH | GRAPH if obj.class_name == GRAPH_CLASS else SCRATCH
        for key, value in obj.fields.items():
            name = str(key)
            if isinstance(value, Tensor):
                tensors[name] = value
            elif isinstance(value, TorchObject) and name not in unread:
                if not self.is_module(value):
                    fields[name] = value
                elif id(value) not in self.open:  # a reference upwards adds nothing
                    links[name] = self.module(value, _join(path, name, value))
            elif name not in unread and name not in CHILD_TABLES:
                fields[name] = value
        made = Module(
            path=path,
            class_name=canonical_class(obj.class_name),
            source_class=obj.class_name,
            version=obj.version,
            fields=fields,
            tensors=tensors,
            children=tuple(
                self.module(child, _join(path, position, child))
                for position, child in enumerate(_modules_of(obj, path), 1)
            ),
            links=links,
            wiring=_wiring_of(obj, path),
        )
        self.open.discard(id(obj))
        self.done[id(obj)] = made
        return made

    @staticmethod
    def is_module(obj: TorchObject) -> bool:
        """Everything with a class of its own is a module, except storages and plain data."""
        return not obj.class_name.startswith(("torch.", "tds."))


def _join(path: str, position: int | str, child: TorchObject) -> str:
    step = f"{position}.{canonical_class(child.class_name).rpartition('.')[2]}"
    return f"{path}.{step}" if path else step


def _wiring_of(obj: TorchObject, path: str) -> tuple[Step, ...]:
    if obj.class_name != GRAPH_CLASS:
        return ()
    with _named(path):
        return wiring(obj.get("forwardnodes"), obj.get("outnode"))


@contextmanager
def _named(path: str) -> Iterator[None]:
    try:
        yield
    except WiringError as error:
        raise GraphError(f"{path or '(root)'}: {error}") from None


def _modules_of(obj: TorchObject, path: str) -> list[TorchObject]:
    if obj.class_name == GRAPH_CLASS:  # files of 2014 have no table of modules
        with _named(path):
            return modules_of(obj.get("forwardnodes"))
    name = next((name for name in CHILD_TABLES if obj.get(name) is not None), None)
    if name is None:
        return []
    table = obj.get(name)
    children = table.sequence() if isinstance(table, Table) else None
    if children is None or not all(isinstance(child, TorchObject) for child in children):
        raise GraphError(f"{path or '(root)'}: {name!r} should list modules 1..n")
    return children


def is_criterion(module: Module) -> bool:
    """Whether the module compares an input with a target."""
    return module.short_class.endswith("Criterion") or module.class_name in CRITERIA


def use(path: str, earlier: Container[str]) -> str:
    """The name of one use of a module: its path, then ``path#2`` and so on.

    Args:
        path: of the module.
        earlier: names of the uses before.
    """
    name, n = path, 1
    while name in earlier:
        n += 1
        name = f"{path}#{n}"
    return name


def module_path(name: str) -> str:
    """The path of the module that :func:`use` named."""
    return name.partition("#")[0]


def walk(module: Module) -> Iterator[Module]:
    """Every module below and including ``module``, parents first, each once."""
    seen: set[int] = set()
    stack = [module]
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        stack.extend(reversed((*current.children, *current.links.values())))


def map_children(module: Module, count: int) -> tuple[Module, ...]:
    """The children that ``nn.MapTable`` has for a table of ``count`` entries.

    Those of the file come first. What is missing is the first child once more, or, where the
    children are not shared, copies of it with tensors of their own.
    """
    known, first = module.children[:count], module.children[0]
    missing = range(len(known), count)
    if module.flag("shared", True):
        return (*known, *(first for _ in missing))
    return (*known, *(_copied(first, {}) for _ in missing))


def _copied(module: Module, storages: dict[int, Storage]) -> Module:
    """The same modules over copies of their storages."""

    def storage(of: Storage | None) -> Storage | None:
        if of is not None and id(of) not in storages:
            storages[id(of)] = Storage(of.class_name, of.data.copy())
        return None if of is None else storages[id(of)]

    return replace(
        module,
        tensors={n: replace(t, storage=storage(t.storage)) for n, t in module.tensors.items()},
        children=tuple(_copied(child, storages) for child in module.children),
        links={name: _copied(link, storages) for name, link in module.links.items()},
    )


def with_tensor(module: Module, name: str, values: np.ndarray[Any, Any]) -> Module:
    """The same module with another tensor ``name``, of float32 or float64."""
    flat = np.ascontiguousarray(values)
    kind = "Double" if flat.dtype == np.float64 else "Float"
    tensor = Tensor(
        f"torch.{kind}Tensor",
        flat.shape,
        tuple(step // flat.itemsize for step in flat.strides),
        0,
        Storage(f"torch.{kind}Storage", flat.ravel()),
        flat.dtype,
    )
    return replace(module, tensors={**module.tensors, name: tensor})


def with_fields(root: Module, changes: Mapping[str, Mapping[str, Any]]) -> Module:
    """The tree with fields added to some modules; shared modules stay shared.

    Args:
        root: of the tree.
        changes: path → fields to set.
    """
    done: dict[int, Module] = {}

    def copy(module: Module) -> Module:
        if id(module) not in done:
            done[id(module)] = replace(
                module,
                fields={**module.fields, **changes.get(module.path, {})},
                children=tuple(copy(child) for child in module.children),
                links={name: copy(link) for name, link in module.links.items()},
            )
        return done[id(module)]

    return copy(root)


def own_parameters(module: Module) -> list[Parameter]:
    """The trainable tensors of the module itself, in Torch's order."""
    names = PARAMETER_FIELDS.get(module.class_name, USUAL_PARAMETERS)
    return [
        Parameter(module, name)
        for name in names
        if name in module.tensors and module.tensors[name].size
    ]


def parameters(
    module: Module, expanded: Mapping[int, tuple[Module, ...]] | None = None
) -> list[Parameter]:
    """Torch's ``parameters()``: own tensors, then the children's, once an occurrence.

    Args:
        module: root of the tree.
        expanded: children of modules that make them as they run (``nn.MapTable``), by ``id``.
    """
    found = []
    for link in PARAMETER_LINKS.get(module.class_name, ()):
        found += parameters(module.links[link], expanded)
    found += own_parameters(module)
    if module.class_name in HIDES_CHILDREN:
        return found
    for child in (expanded or {}).get(id(module), module.children):
        found += parameters(child, expanded)
    return found
