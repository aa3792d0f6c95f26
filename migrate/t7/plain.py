"""What users want of a file: arrays, lists and dicts."""

from __future__ import annotations

from typing import Any

from migrate.t7.objects import BoolKey, Storage, Table, Tensor

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """Python's own containers in place of Lua's.

    * A tensor or storage becomes a NumPy array, a read-only view of the same memory.
    * A table with exactly the keys 1..n, n >= 1, becomes a list; every other table a dict, and so
      does the empty one: Lua does not tell ``[]`` from ``{}``.
    * Number keys that are integers become ``int``. A boolean key becomes ``bool``, unless the table
      also has the number key that Python takes for equal (0 or 1): then it stays a ``BoolKey``.
    * A key that is a table or object stays as it is: lists and arrays cannot be keys.
    * Numbers stay ``float``; a ``TorchObject`` or ``Function`` stays as it is, inside too.

    Sharing and cycles stay: one table gives one list or dict, wherever it is met.
    """
    made: dict[int, Any] = {}
    waiting: list[Table] = []

    def convert(item: Any) -> Any:
        if not isinstance(item, (Table, Tensor, Storage)):
            return item
        known = made.get(id(item))
        if known is not None:
            return known
        if isinstance(item, Tensor):
            result: Any = item.numpy()
        elif isinstance(item, Storage):
            result = item.data
        else:
            result = {} if not item or item.sequence() is None else []
            waiting.append(item)
        made[id(item)] = result
        return result

    root = convert(value)
    while waiting:
        table = waiting.pop()
        target = made[id(table)]
        if isinstance(target, list):
            target.extend(convert(table[i]) for i in range(1, len(table) + 1))
        else:
            for key, item in table.items():
                target[_key(key, table)] = convert(item)
    return root


def _key(key: Any, table: Table) -> Any:
    if isinstance(key, float) and key.is_integer():
        return int(key)
    if isinstance(key, BoolKey) and int(key.value) not in table:
        return key.value
    return key
