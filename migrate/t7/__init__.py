"""Lua Torch7's ``.t7`` files, read and written without Torch.

>>> from migrate import t7
>>> model = t7.load("model.t7")  # doctest: +SKIP
"""

from migrate.t7.document import Document, load, load_all, open_document
from migrate.t7.dump import dump, dump_json
from migrate.t7.elements import cpu_twin
from migrate.t7.errors import T7Error
from migrate.t7.objects import BoolKey, Function, Storage, Table, Tensor, TorchObject
from migrate.t7.plain import plain
from migrate.t7.raw import open_raw
from migrate.t7.tree import find_criteria, find_modules
from migrate.t7.writer import dumps, save

__all__ = [
    "BoolKey",
    "Document",
    "Function",
    "Storage",
    "T7Error",
    "Table",
    "Tensor",
    "TorchObject",
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
]
