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

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from migrate.graph import GraphError, Module, walk

__all__ = ["Dense", "Plan", "Records", "Sparse", "plan"]


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
    """

    shape: tuple[int | None, ...]
    dtype: str = "float32"


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

# Containers that hand their input to the first child, or one entry to each child.
FIRST = {"nn.Sequential", "modules.FullSparseLayer", "modules.FullDenseLayer", "modules.SplitLayer"}
EVERY = {"nn.Concat", "nn.ConcatTable", "nn.DepthConcat"}


def consumers(module: Module) -> Any:
    """The module(s) that take the input: one, or a list where the input is a table."""
    if module.class_name == "nn.ParallelTable":
        return [consumers(child) for child in module.children]
    if module.class_name in FIRST and module.children:
        first = consumers(module.children[0])
        passes_on = module.children[0].class_name == "nn.Identity"
        return consumers(module.children[1]) if passes_on and len(module.children) > 1 else first
    if module.class_name in EVERY and module.children:
        found = [consumers(child) for child in module.children]
        return (
            next((c for c in found if c.class_name in _SPARSE), found[0])
            if all(isinstance(c, Module) for c in found)
            else found[0]
        )
    return module


def plan(module: Module, example: Any = None, dtype: str = "float32") -> Plan:
    """What ``module`` takes.

    Args:
        module: root of the tree.
        example: an input in Torch's form; without one, the first module's sizes must tell.
        dtype: of dense inputs where no example says.

    Raises:
        GraphError: no example, and the first module does not say its input's shape.
    """
    planned = _plan(consumers(module), example, dtype)
    if isinstance(planned, Records) and any(
        m.class_name == "modules.SplitLayer" for m in walk(module)
    ):
        return Records(fields=True)
    return planned


def _plan(consumer: Any, example: Any, dtype: str) -> Plan:
    if isinstance(consumer, list):
        entries = example if isinstance(example, list) else [None] * len(consumer)
        return [_plan(c, e, dtype) for c, e in zip(consumer, entries, strict=False)]
    special = _SPARSE.get(consumer.class_name)
    if special is not None:
        return special(consumer, example)
    if isinstance(example, list):
        return [_plan(consumer, entry, dtype) for entry in example]
    if example is not None:
        array = np.asarray(example)
        return Dense(array.shape, str(array.dtype))
    usual = _USUAL.get(consumer.class_name)
    if usual is not None:
        return usual(consumer, dtype)
    raise GraphError(
        f"{consumer}: its fields do not say what shape it takes; give an example input "
        f"(convert(source, example_inputs=...), or --input-shape on the command line)"
    )


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


# Modules that take something else than tensors, or a tensor in the place of something else.
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
