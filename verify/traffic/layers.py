"""The layers of v2 beside v1's, on the first requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deepbird_v2.data import decode_batch
from verify.engines.oracle import OracleEngine
from verify.locate import locate
from verify.report.tree import Section
from verify.traffic.records import record_chunks
from verify.verdict import Check

__all__ = ["layer_profile"]

ROWS = 512


def layer_profile(
    v1_model: str | Path, candidate: Any, requests: str | Path
) -> tuple[Section, Check]:
    """Compare layer by layer.

    Args:
        v1_model: The v1 model (``.t7``).
        candidate: v2, a converted model.
        requests: The requests; the first are used.

    Returns:
        The profile, and a check that names the first layer that differs.

    Raises:
        ValueError: v2 is no converted model.
    """
    if not getattr(candidate, "seams", None):
        raise ValueError(f"{v1_model}: v2 is no converted model; its layers cannot be profiled")
    batch = decode_batch(next(iter(record_chunks(requests, ROWS))), candidate.features)
    oracle = OracleEngine.load(v1_model)
    oracle.features = candidate.features
    located = locate(oracle, candidate, batch)
    section = Section("Layers", (located.layers,), f"v1 is {v1_model}, run by the oracle")
    return section, located.check
