"""What a model takes: Torch's inputs, and the Keras inputs that stand for them.

A Torch model takes a tensor, or a table of whatever its branches take. Which of those are sparse
is decided by the module that consumes them, so the plan is made before anything is converted.

==================  ==========================================  ===============================
plan                Torch's form                                Keras form
==================  ==========================================  ===============================
:class:`Dense`      tensor                                      tensor of the same shape
:class:`Sparse`     rows of (key, value), see `SparseForm`       ``SparseTensor`` [batch, width]
:class:`Records`    decoded DataRecords                         ragged ``key``, ``value`` (and
                                                                ``field``) [batch, None]
list of plans       table                                       list
==================  ==========================================  ===============================
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from migrate.consumers import Consumer, consumers
from migrate.graph import GraphError, Module, is_criterion, walk

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Dense", "Plan", "Records", "Sparse", "from_json", "plan", "to_json"]


SparseForm: TypeAlias = Literal["pairs", "pair", "block", "tables", "keys", "flat"]
"""How Torch passes sparse rows.

=======  =========================================================
pairs    table of N×2 tensors of (key, value), one a row
pair     one N×2 tensor: one row, and the output has no batch
block    B×N×2 tensor
tables   {table of key tensors, table of value tensors}, one a row
keys     {keys, values}: one row, and the output has no batch
flat     {all keys, all values, number of entries of each row}
=======  =========================================================
"""


@dataclass(frozen=True)
class Dense:
    """A tensor.

    Attributes:
        shape: Torch's shape; None where any size will do (normally the batch, first).
        dtype: NumPy name.
        indices: each entry is a row number, so a vector of any length will do.
    """

    shape: tuple[int | None, ...]
    dtype: str = "float32"
    indices: bool = False


@dataclass(frozen=True)
class Sparse:
    """Rows of (key, value) pairs.

    Attributes:
        width: number of keys.
        dtype: of the values.
        form: how Torch passes them.
        first_key: Torch's number of the first key.
        dense_grad: Torch computes the gradient of every key, present or not (``doGradInput``).
    """

    width: int
    dtype: str = "float32"
    form: SparseForm = "pairs"
    first_key: int = 1
    dense_grad: bool = False

    @property
    def single(self) -> bool:
        """Torch's form is one row without a batch."""
        return self.form in ("pair", "keys")


@dataclass(frozen=True)
class Records:
    """Decoded DataRecords, columnar: ragged hashed keys and values.

    Attributes:
        fields: the model needs to know which feature each entry came from (split networks).
    """

    fields: bool = False


Plan: TypeAlias = Dense | Sparse | Records | list["Plan"]


def to_json(planned: Plan) -> Any:
    """A plan as plain data."""
    if isinstance(planned, list):
        return [to_json(entry) for entry in planned]
    return {"kind": type(planned).__name__, **asdict(planned)}


def from_json(data: Any) -> Plan:
    """The inverse of :func:`to_json`."""
    if isinstance(data, list):
        return [from_json(entry) for entry in data]
    fields = {name: value for name, value in data.items() if name != "kind"}
    if data["kind"] == "Dense":
        return Dense(**(fields | {"shape": tuple(fields["shape"])}))
    return Sparse(**fields) if data["kind"] == "Sparse" else Records(**fields)


def plan(module: Module, example: Any = None, dtype: str = "float32") -> Plan:
    """What ``module`` takes.

    Args:
        module: root of the tree.
        example: an input in Torch's form; without one, the first module's sizes must tell.
        dtype: of dense inputs where no example says.

    Raises:
        GraphError: no example, and the first module does not say its input's shape.
    """
    if is_criterion(module):
        return _criterion(module, example, dtype)
    planned = _plan(consumers(module), example, dtype)
    if isinstance(planned, Records) and any(
        m.class_name == "modules.SplitLayer" for m in walk(module)
    ):
        return Records(fields=True)
    return planned


def _plan(consumer: Consumer, example: Any, dtype: str) -> Plan:
    if isinstance(consumer, dict):
        return _table(consumer, example, dtype)
    if consumer is None:
        return _of_example("an entry of the input", example, dtype)
    if consumer.class_name == "nn.MapTable" and consumer.children and isinstance(example, list):
        return [_plan(consumers(consumer.children[0]), entry, dtype) for entry in example]
    special = _SPARSE.get(consumer.class_name)
    if special is not None:
        return special(consumer, example)
    usual = _USUAL.get(consumer.class_name)
    if usual is not None and example is None:
        return usual(consumer, dtype)
    planned = _of_example(str(consumer), example, dtype)
    if isinstance(planned, Dense) and consumer.class_name in _INDEXING:
        return replace(planned, indices=bool(planned.shape))
    return planned


def _criterion(module: Module, example: Any, dtype: str) -> Plan:
    """Input and target; a target that is nil is left out."""
    if not isinstance(example, list | tuple) or len(example) != 2:
        raise GraphError(f"{module}: a criterion needs an example of [input, target]")
    return [_of_example(str(module), entry, dtype) for entry in example if entry is not None]


def _of_example(what: str, example: Any, dtype: str) -> Plan:
    if isinstance(example, list | tuple):
        return [_of_example(what, entry, dtype) for entry in example]
    if example is not None:
        array = np.asarray(example)
        return Dense(array.shape, str(array.dtype))
    raise GraphError(
        f"{what}: its fields do not say what shape it takes; give an example input "
        f"(convert(source, example_inputs=...), or --input-shape on the command line)"
    )


def _table(entries: dict[int, Consumer], example: Any, dtype: str) -> Plan:
    given = list(example) if isinstance(example, list | tuple) else None
    size = len(given) if given is not None else max(entries) + 1
    if size <= 0:
        raise GraphError(
            "the model takes a table whose length no module says; give an example input"
        )
    by_position = {i % size: consumer for i, consumer in entries.items()}
    return [
        _plan(by_position.get(i), given[i] if given is not None else None, dtype)
        for i in range(size)
    ]


def _sparse_linear(module: Module, example: Any) -> Plan:
    rank = example.ndim if isinstance(example, np.ndarray) else 0
    forms: dict[int, SparseForm] = {2: "pair", 3: "block"}
    weight = module.tensors["weight"]
    return Sparse(
        width=weight.size[1],
        dtype=str(weight.dtype),
        form=forms.get(rank, "pairs"),
        dense_grad=module.flag("doGradInput"),
    )


def _index_linear(module: Module, example: Any) -> Plan:
    form: SparseForm = "tables"
    if isinstance(example, list | tuple) and len(example) == 3:
        form = "flat"
    elif isinstance(example, list | tuple) and not isinstance(example[0], list | tuple):
        form = "keys"
    weight = module.tensors["weight"]
    return Sparse(
        width=weight.size[0],
        dtype=str(weight.dtype),
        form=form,
        first_key=-module.integer("offset", -1),
        dense_grad=module.flag("doGradInput"),
    )


# Modules that take row numbers, in a tensor of any shape.
_INDEXING = frozenset({"nn.LookupTable", "nn.OneHot"})

# For each class of `consumers.SPARSE`.
_SPARSE: dict[str, Callable[[Module, Any], Plan]] = {
    "nn.SparseLinear": _sparse_linear,
    "nn.IndexLinear": _index_linear,
    "modules.DiscretizerLayer": lambda _module, _example: Records(),
}

# Modules whose fields say, without an example, what they usually take.
_USUAL: dict[str, Callable[[Module, str], Plan]] = {
    "nn.Linear": lambda module, dtype: Dense((None, module.tensors["weight"].size[1]), dtype),
    "nn.LookupTable": lambda _module, _dtype: Dense((None, None), "int64"),
}
