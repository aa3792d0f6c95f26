"""Two versions against the same labels, as tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from verify.report.tree import Column, Table

if TYPE_CHECKING:
    from verify.compare.calibration import Quality

__all__ = ["quality_tables"]


def quality_tables(v1: Quality, v2: Quality) -> tuple[Table, Table]:
    """The figures of both, and their reliability bin by bin."""
    figures = (
        ("predicted over observed", v1.ratio, v2.ratio),
        ("expected calibration error", v1.ece, v2.ece),
        ("AUC", v1.auc, v2.auc),
        ("log loss", v1.log_loss, v2.log_loss),
        ("relative cross entropy, %", v1.rce, v2.rce),
    )
    table = Table(
        tuple(Column(name) for name in ("measure", "v1", "v2", "v2 − v1")),
        tuple((name, a, b, b - a) for name, a, b in figures),
        "Quality against labels",
    )
    names = ("predictions", "rows v1", "v1 mean", "v1 label", "rows v2", "v2 mean", "v2 label")
    width = 1.0 / len(v1.reliability)
    rows = tuple(
        (
            f"{i * width:.1f} … {(i + 1) * width:.1f}",
            *(
                cell
                for bins in (v1.reliability, v2.reliability)
                for cell in (int(bins[i, 0]), _number(bins[i, 1]), _number(bins[i, 2]))
            ),
        )
        for i in range(len(v1.reliability))
    )
    return table, Table(tuple(Column(name) for name in names), rows, "Reliability")


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
