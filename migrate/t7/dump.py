"""A canonical JSON form of what a file holds, for comparing two readers.

Numbers are text of ``%.17g`` as LuaJIT writes it; strings are hexadecimal, and text too where they
are printable ASCII; tables, objects, tensors, storages and functions are numbered in the order in
which they are met, entries sorted by key, and a second meeting is a ``ref``. A tensor shows its
view and its whole storage.
"""

from __future__ import annotations

import json
import math
import re
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Any, Final

from migrate.t7.bytecode import upvalue_names
from migrate.t7.errors import BadValue, TooDeep
from migrate.t7.objects import BoolKey, Function, Storage, Table, Tensor, TorchObject

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["dump", "dump_json"]

_PRINTABLE: Final = re.compile(rb"[\x20-\x7e]*")
_LONGEST_STRING: Final = 4096
_ENDS: Final = 64
_SIGNIFICANT: Final = 17
_HALF_UP: Final = Context(prec=_SIGNIFICANT, rounding=ROUND_HALF_UP)
# tds.Hash keeps no order of its own: its values are numbered as the file has them.
_AS_IN_FILE: Final = frozenset({"tds.Hash"})
_CONTAINERS: Final = (Table, TorchObject, Tensor, Storage, Function)

# A node of the dump to be filled, with the value that it shows.
_Open = tuple[dict[str, Any], Any]


def dump(value: Any) -> dict[str, Any]:
    """The canonical form of a value that ``load`` gave.

    Raises:
        BadValue: a value that no file can hold.
    """
    ids: dict[int, int] = {}
    root: dict[str, Any] = {}
    work: list[Iterator[_Open]] = [iter(((root, value),))]
    while work:
        for node, item in work[-1]:
            children = _show(node, item, ids)
            if children is not None:
                work.append(children)
                break
        else:
            work.pop()
    return root


def dump_json(value: Any) -> str:
    """``dump`` as text, keys sorted, two spaces a level.

    Raises:
        TooDeep: nested deeper than Python's JSON can write.
    """
    try:
        return json.dumps(dump(value), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    except RecursionError:
        raise TooDeep("nested too deep for JSON") from None


def _show(node: dict[str, Any], value: Any, ids: dict[int, int]) -> Iterator[_Open] | None:
    """Fills a node; returns the nodes inside it, or None for a leaf."""
    if not isinstance(value, _CONTAINERS):
        node.update(_scalar(value))
        return None
    known = ids.get(id(value))
    if known is not None:
        node["ref"] = known
        return None
    node["id"] = ids[id(value)] = len(ids) + 1
    if isinstance(value, Tensor):
        return _tensor(node, value)
    if isinstance(value, Storage):
        numbers = value.data.tolist()
        node.update(storage=value.class_name, n=len(numbers), values=[_number(n) for n in numbers])
        return None
    if isinstance(value, Function):
        return _function(node, value)
    if isinstance(value, TorchObject):
        node["class"] = value.class_name
        return _pairs(node, value.fields, as_in_file=value.class_name in _AS_IN_FILE)
    return _pairs(node, value)


def _scalar(value: Any) -> dict[str, Any]:
    if value is None:
        return {"nil": True}
    if isinstance(value, (bool, BoolKey)):
        return {"boolean": value if isinstance(value, bool) else value.value}
    if isinstance(value, (int, float)):
        return {"number": _number(value)}
    if isinstance(value, str):
        return _string(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, bytes):
        return _string(value)
    raise BadValue(f"a {type(value).__name__} has no canonical form")


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    text = f"{value:.17g}"
    if math.isfinite(value) and len(text) > _SIGNIFICANT:
        exact = Decimal(value)
        digits = exact.as_tuple().digits
        if len(digits) == _SIGNIFICANT + 1 and digits[-1] == 5:
            # Halfway between two texts C takes the even one, LuaJIT the one away from zero.
            return _like_c(_HALF_UP.plus(exact))
    return text


def _like_c(number: Decimal) -> str:
    """The text of ``%.17g`` of a number that has 17 digits."""
    exponent = number.adjusted()
    if -5 < exponent < _SIGNIFICANT:
        text = f"{number:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa = f"{number.scaleb(-exponent):f}".rstrip("0").rstrip(".")
    return f"{mantissa}e{exponent:+03d}"


def _string(raw: bytes) -> dict[str, Any]:
    if len(raw) > _LONGEST_STRING:
        ends = {"head_hex": raw[:_ENDS].hex(), "tail_hex": raw[-_ENDS:].hex()}
        return {"string_len": len(raw), **ends}
    text = {"text": raw.decode("ascii")} if _PRINTABLE.fullmatch(raw) else {}
    return {"string_hex": raw.hex(), **text}


def _tensor(node: dict[str, Any], tensor: Tensor) -> Iterator[_Open]:
    node.update(
        tensor=tensor.class_name,
        size=list(tensor.size),
        stride=list(tensor.stride),
        storageOffset=tensor.offset + 1,
        storage={},
    )
    yield node["storage"], tensor.storage


def _function(node: dict[str, Any], function: Function) -> Iterator[_Open]:
    shown: list[dict[str, Any]] = []
    node.update(function=True, upvalues=shown)
    upvalues = function.upvalues if isinstance(function.upvalues, Table) else Table()
    names = upvalue_names(function.bytecode)
    for i, item in enumerate(upvalues.sequence() or ()):
        named = isinstance(item, Table) and "name" in item and function.tag == 8
        name = item["name"] if named else names[i] if i < len(names) else ""
        shown.append({"name": name, "value": {}})
        yield shown[-1]["value"], item.get("value") if named else item


def _pairs(node: dict[str, Any], table: Table, *, as_in_file: bool = False) -> Iterator[_Open]:
    ordered = sorted(table, key=_order)
    shown: dict[Any, dict[str, Any]] = {key: {"key": {}, "value": {}} for key in ordered}
    node["pairs"] = list(shown.values())
    for key in table if as_in_file else ordered:
        yield shown[key]["key"], key
        yield shown[key]["value"], table[key]


def _order(key: Any) -> tuple[int, Any, bytes]:
    """Booleans, numbers, strings by their bytes, then what is compared by identity, by its kind."""
    if isinstance(key, BoolKey):
        return 0, int(key.value), b""
    if isinstance(key, (int, float)):
        return 1, float(key), b""
    if isinstance(key, str):
        return 2, 0, key.encode("utf-8", "surrogateescape")
    return 3, 0 if isinstance(key, Table) else 1, b""
