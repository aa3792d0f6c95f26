"""Lua Torch7's ``.t7`` files, read and written without Torch.

>>> from migrate import t7
>>> model = t7.load("model.t7")  # doctest: +SKIP
"""

from migrate.t7.document import Document, load, load_all, open_document
from migrate.t7.dump import dump, dump_json
from migrate.t7.elements import cpu_twin
from migrate.t7.errors import (
    BadLength,
    BadNumber,
    BadReference,
    BadTag,
    BadTensor,
    BadValue,
    NotTorch,
    T7Error,
    TooDeep,
    TooLarge,
    Truncated,
    UnknownLayout,
)
from migrate.t7.objects import BoolKey, Function, Storage, Table, Tensor, TorchObject
from migrate.t7.plain import plain
from migrate.t7.raw import open_raw
from migrate.t7.tree import find_criteria, find_modules, walk
from migrate.t7.writer import dumps, save

__all__ = [
    "BadLength",
    "BadNumber",
    "BadReference",
    "BadTag",
    "BadTensor",
    "BadValue",
    "BoolKey",
    "Document",
    "Function",
    "NotTorch",
    "Storage",
    "T7Error",
    "Table",
    "Tensor",
    "TooDeep",
    "TooLarge",
    "TorchObject",
    "Truncated",
    "UnknownLayout",
    "cpu_twin",
    "dump",
    "dump_json",
    "dumps",
    "find_criteria",
    "find_modules",
    "load",
    "load_all",
    "open_document",
    "open_raw",
    "plain",
    "save",
    "walk",
]
