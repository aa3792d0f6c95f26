"""The report as JSON, for programs.

Schema version 1: the fields of `verify.report.tree`, each block with its `kind`; statuses by name;
NaN and infinities as the strings "NaN", "Infinity" and "-Infinity", because JSON has no numbers for
them.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from verify.report.tree import (
    Curves,
    Facts,
    Findings,
    HeatMap,
    Histogram,
    Layers,
    Scatter,
    Table,
)

if TYPE_CHECKING:
    from verify.report.tree import Report

SCHEMA_VERSION = 1

KINDS: dict[type, str] = {
    Facts: "facts",
    Table: "table",
    Findings: "findings",
    Histogram: "histogram",
    Scatter: "scatter",
    Curves: "curves",
    Layers: "layers",
    HeatMap: "heat_map",
}


def to_json(report: Report) -> str:
    """Render a report as JSON text that ends with a newline.

    Args:
        report: The report.

    Returns:
        Indented JSON; equal reports give equal text.
    """
    return json.dumps(to_dict(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_dict(report: Report) -> dict[str, Any]:
    """Return the report as plain data in the JSON schema."""
    body: dict[str, Any] = _plain(report)
    body["verdict"]["exit_code"] = report.verdict.exit_code
    return {"schema": "deepbird.report", "schema_version": SCHEMA_VERSION, **body}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = KINDS.get(type(value))
        fields = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"kind": kind, **fields} if kind else fields
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
