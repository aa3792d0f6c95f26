"""Measured histograms as JSON, for a later check to compare with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from verify.latency.histogram import bucket_edges
from verify.latency.samples import Samples
from verify.report.write import write_atomically

__all__ = ["FILE", "read_samples", "write_samples"]

FILE = "latency.json"
FORMAT, VERSION = "deepbird-latency", 1
ROLES = ("v1", "v2")


def write_samples(folder: Path, samples: Samples, fingerprint: Mapping[str, str]) -> Path:
    """Write ``latency.json``: per metric, role and restart the filled buckets and their counts."""
    histograms = {
        metric: {
            role: [_sparse(blocks[:, place].sum(axis=0)) for blocks in samples.of(metric)]
            for place, role in enumerate(ROLES)
        }
        for metric in samples.metrics
    }
    data = {
        "format": FORMAT,
        "version": VERSION,
        "fingerprint": dict(fingerprint),
        "bucket_edges": "1e-9 * 2 ** (bucket / 128) seconds",
        "histograms": histograms,
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / FILE, json.dumps(data) + "\n")
    return folder / FILE


def _sparse(histogram: Any) -> dict[str, list[int]]:
    filled = np.flatnonzero(histogram)
    return {"bucket": filled.tolist(), "count": histogram[filled].tolist()}


def read_samples(path: Path) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str]]:
    """v2's latencies of an earlier check.

    Returns:
        (metric → seconds, restart by restart, in an order that repeats; the machine's fingerprint).

    Raises:
        ValueError: the file holds none.
    """
    try:
        data = json.loads(path.read_text())
        if (data["format"], data["version"]) != (FORMAT, VERSION):
            raise ValueError(f"{path}: not {FORMAT} version {VERSION}")
        edges = bucket_edges()
        middle = np.sqrt(edges[1:] * edges[:-1])
        rng = np.random.default_rng(0)
        found = {}
        for metric, roles in data["histograms"].items():
            parts = [np.repeat(middle[r["bucket"]], r["count"]) for r in roles["v2"]]
            found[metric] = np.concatenate([rng.permutation(part) for part in parts])
        return found, dict(data["fingerprint"])
    except (KeyError, TypeError, IndexError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not a {FORMAT} file ({error!r})") from None
