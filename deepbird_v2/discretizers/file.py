"""The state file: JSON, one line a feature, the same bytes for the same state.

.. code-block:: text

    {"format":"deepbird-discretizer","version":1,"method":"percentile",
    "search":"[a,b)","nan_bin":true,"float32":false,"output_bits":22,
    "unknown":{"rule":"modulo","first":2097152,"stop":4194304},"n_bin":20,"next_id":7,"parent":null,
    "features":[
    {"id":-5,"edges":[0.5,3.0],"bins":[0,1,2,3]},
    {"id":8,"name":"age","edges":[18.0],"bins":[4,5,6],"retired":true}
    ],
    "fingerprint":"<SHA-256 of everything above, up to and with the ']' and the line end>"}

* Features ascend by id. Keys come in this order, without blanks; a key whose value is the default
  (no name, not retired, no weights, no bin split from another) is left out.
* Numbers are written in the shortest form that reads back as the same float64; infinities as
  ``"Infinity"`` and ``"-Infinity"``. NaN never occurs.
* ``bins[i]`` is the id of bin i; where ``nan_bin`` is true the last one is NaN's.
  ``parents[i]`` is the id of the bin that bin i was split from, -1 if none; ``weights[i]`` is what
  the bin held when it was made.
* ``parent`` is the fingerprint of the state that this one was calibrated from; ``ancestors``, if
  there are any, those of the states before it, oldest first.
* A reader refuses another version, an unknown key, and a fingerprint that does not fit.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from deepbird_v2.data import strict_json
from deepbird_v2.data.files import write_atomically
from deepbird_v2.discretizers.errors import StateError
from deepbird_v2.discretizers.search import Search
from deepbird_v2.discretizers.state import NO_PARENT, Bins, Discretizer, Unknown, UnknownRule

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FORMAT", "VERSION", "dumps", "fingerprint", "load", "loads", "save"]

_T = TypeVar("_T")

FORMAT = "deepbird-discretizer"
VERSION = 1
_DIGEST = re.compile("[0-9a-f]{64}")
_INFINITIES = {"Infinity": float("inf"), "-Infinity": float("-inf")}
_HEADER = frozenset(
    {"format", "version", "method", "search", "nan_bin", "float32", "output_bits", "unknown"}
    | {"n_bin", "next_id", "parent", "ancestors", "features", "fingerprint"}
)
_FEATURE = frozenset(("id", "name", "edges", "bins", "parents", "weights", "retired"))


def save(state: Discretizer, path: str | Path) -> None:
    """Write a state file, whole or not at all."""
    write_atomically(path, dumps(state))


def load(path: str | Path) -> Discretizer:
    """Read a state file.

    Raises:
        StateError: it is no such file, was altered, or contradicts itself.
    """
    return loads(Path(path).read_bytes(), str(path))


def dumps(state: Discretizer) -> bytes:
    """The file's bytes."""
    content = _content(state)
    digest = hashlib.sha256(content).hexdigest()
    return content + f'"fingerprint":"{digest}"}}\n'.encode()


def fingerprint(state: Discretizer) -> str:
    """SHA-256 of the canonical content, hex."""
    return hashlib.sha256(_content(state)).hexdigest()


def loads(content: bytes, where: str = "state") -> Discretizer:
    """Read a state from a file's bytes; see `load`.

    Args:
        content: the bytes.
        where: what to call them in errors.
    """
    constant = "no number here; infinities are written as text"
    data = strict_json.loads(content, where, StateError, constant)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise StateError(f"{where}: no {FORMAT} file")
    if type(data.get("version")) is not int or data["version"] != VERSION:
        raise StateError(
            f"{where}: version {data.get('version')}; this release reads version {VERSION}"
        )
    try:
        _only(data, _HEADER)
        state = _state(data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise StateError(f"{where}: {what}") from None
    if data.get("fingerprint") != state.fingerprint:
        raise StateError(
            f"{where}: its fingerprint is {str(data.get('fingerprint'))[:12]}..., its content's is "
            f"{state.fingerprint[:12]}...; the file was altered: take the original"
        )
    return state


def _content(state: Discretizer) -> bytes:
    header = {
        "format": FORMAT,
        "version": VERSION,
        "method": state.method,
        "search": state.search.value,
        "nan_bin": state.nan_bin,
        "float32": state.float32,
        "output_bits": state.output_bits,
        "unknown": {
            "rule": state.unknown.rule.value,
            "first": state.unknown.first,
            "stop": state.unknown.stop,
        },
        "n_bin": state.n_bin,
        "next_id": state.next_id,
        "parent": state.parent,
    }
    if state.ancestors:
        header["ancestors"] = list(state.ancestors)
    lines = ",\n".join(_json(_feature(bins)) for bins in state.features)
    return f'{_json(header)[:-1]},"features":[\n{lines}\n],\n'.encode()


def _feature(bins: Bins) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": bins.feature}
    if bins.name:
        entry["name"] = bins.name
    entry |= {"edges": _numbers(bins.edges), "bins": bins.ids.tolist()}
    if (bins.parents != NO_PARENT).any():
        entry["parents"] = bins.parents.tolist()
    if len(bins.weights):
        entry["weights"] = _numbers(bins.weights)
    if bins.retired:
        entry["retired"] = True
    return entry


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _numbers(values: np.ndarray[Any, Any]) -> list[float | str]:
    if np.isfinite(values).all():
        return values.tolist()
    names = {number: name for name, number in _INFINITIES.items()}
    return [names.get(value, value) for value in values.tolist()]


def _state(data: dict[str, Any]) -> Discretizer:
    unknown = data["unknown"]
    _only(unknown, frozenset(("rule", "first", "stop")))
    state = Discretizer(
        features=tuple(_bins(entry) for entry in data["features"]),
        output_bits=_integer(data["output_bits"]),
        unknown=Unknown(
            UnknownRule(unknown["rule"]), _integer(unknown["first"]), _integer(unknown["stop"])
        ),
        search=Search(data["search"]),
        nan_bin=_typed("nan_bin", data["nan_bin"], bool),
        float32=_typed("float32", data["float32"], bool),
        method=_typed("method", data["method"], str),
        n_bin=_integer(data["n_bin"]),
        parent=_digest(data["parent"]),
        ancestors=tuple(_ancestor(value) for value in data.get("ancestors", ())),
        next_id=_integer(data["next_id"]),
    )
    if state.next_id != data["next_id"]:
        raise StateError(
            f"next_id is {data['next_id']}, but bins have ids up to {state.next_id - 1}"
        )
    return state


def _bins(entry: dict[str, Any]) -> Bins:
    _only(entry, _FEATURE)
    feature = _integer(entry["id"])
    try:
        return Bins(
            feature,
            _floats(entry["edges"]),
            _integers(entry["bins"]),
            _typed("name", entry.get("name", ""), str),
            _integers(entry.get("parents", [])),
            _floats(entry.get("weights", [])),
            _typed("retired", entry.get("retired", False), bool),
        )
    except KeyError as error:
        raise StateError(f"feature {feature}: {error} is missing") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise StateError(f"feature {feature}: {error}") from None


def _only(entry: dict[str, Any], known: frozenset[str]) -> None:
    if not isinstance(entry, dict):
        raise StateError(f"expected an object, got {entry!r}")
    strange = sorted(set(entry) - known)
    if strange:
        raise StateError(f"unknown key {strange[0]!r}; a newer release may have written it")


def _typed(name: str, value: Any, kind: type[_T]) -> _T:
    if not isinstance(value, kind):
        raise StateError(f"{name} must be a {kind.__name__}, not {value!r}")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise StateError(f"{value!r} is no integer")
    return value


def _digest(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and _DIGEST.fullmatch(value)):
        raise StateError(f"parent {value!r} is no fingerprint")
    return value


def _ancestor(value: Any) -> str:
    digest = _digest(value)
    if digest is None:
        raise StateError("an ancestor is no fingerprint")
    return digest


def _integers(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    return np.array([_integer(value) for value in values], np.int64)


def _floats(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    for value in values:
        if isinstance(value, bool) or (isinstance(value, str) and value not in _INFINITIES):
            raise StateError(f"{value!r} is no number")
    return np.array([_INFINITIES.get(v, v) if isinstance(v, str) else v for v in values], float)
