"""``verify inference``: v2 answers v1's recorded requests, and a verdict says if it is the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from verify.diff import diff
from verify.engines.oracle import OracleEngine
from verify.engines.tensorflow import TensorFlowEngine
from verify.explain import explained
from verify.locate import Located, locate
from verify.policy import Policy
from verify.predictions import PredictionSet, load_predictions, named_by_feature
from verify.report.tree import Finding, Findings, Report, Section
from verify.verdict import Check, Stage, Status

__all__ = ["verify_inference"]

# Rows that the layers are compared on; the scores are compared on all.
LAYER_ROWS = 512
BATCH_ROWS = 4096


def verify_inference(
    v1: str | Path,
    requests: str | Path,
    v2: str | Path,
    *,
    policy: Policy | None = None,
    v1_model: str | Path | None = None,
    columns: Sequence[str] | None = None,
    command: str | None = None,
) -> Report:
    """Compare a converted model with what v1 answered.

    Args:
        v1: v1's responses to the requests, in their order (or with ids); any prediction file.
        requests: DataRecords, block format.
        v2: the model folder.
        policy: tolerances; default: the packaged policy.
        v1_model: the v1 model itself (``.t7``), to find the layer that differs; default: the file
            of that name beside the responses, else what the folder was converted from.
        columns: outputs to compare; default: all that v2 gives.
        command: how to produce the report again.

    Raises:
        FolderError, PredictionError, DataError: an input cannot be used.
    """
    from deepbird_v2.data.block_format import read_records
    from deepbird_v2.data.decode import decode_batch

    engine = TensorFlowEngine(v2)
    if engine.features is None:
        raise ValueError(
            f"{v2}: it has no list of features to read from DataRecords; convert with --features "
            f"(outputs of a model of tensors are compared by deepbird diff)"
        )
    batch = decode_batch(read_records(requests), engine.features)
    answers, repeated = _answers(engine, batch), engine.predict(batch[:LAYER_ROWS])
    labels = batch.labels[:, 0] if batch.labels.shape[1] == 1 else None
    # on the wire every prediction is a double, and so are v1's recorded ones
    wire = {name: values.astype(np.float64) for name, values in answers.items()}
    ours = PredictionSet.from_arrays(wire, labels=labels, source=str(v2))
    wanted = list(columns or engine.outputs)
    theirs = _recorded(v1, wanted)
    report = diff(theirs, ours.select(wanted), policy=policy)
    checks = [*report.verdict.checks, _repeatable(answers, repeated)]
    sections, findings = [], [_altered(engine)] if engine.altered else []
    reference = _reference(engine, Path(v1), v1_model)
    if reference is not None and engine.seams:
        located = locate(reference.engine, engine, batch[:LAYER_ROWS])
        findings += _finding(located, reference)
        # Layers that agree explain nothing where the answers differ.
        if located.fault is not None or report.verdict.status is Status.PASS:
            checks.append(located.check)
        sections.append(Section("Layers", (located.layers,), text=reference.text))
    elif report.verdict.status is not Status.PASS:
        hint = "give the v1 model (--v1-model FILE.t7) to find the layer"
        findings.append(
            Finding(Status.INCONCLUSIVE, "no v1 model to compare layers with", hint=hint)
        )
    if findings:
        sections.insert(0, Section("Where to look", (Findings(tuple(findings)),)))
    return replace(
        report,
        title=f"Inference of {engine.name}",
        verdict=explained(checks),
        roles={"v1": str(v1), "v2": str(v2)},
        sections=(*sections, *report.sections),
        provenance={**report.provenance, **_provenance(engine, requests, batch)},
        command=command,
    )


def _answers(engine: TensorFlowEngine, batch: Any) -> dict[str, np.ndarray[Any, Any]]:
    parts = [
        engine.predict(batch[start : start + BATCH_ROWS])
        for start in range(0, max(len(batch), 1), BATCH_ROWS)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _recorded(path: str | Path, wanted: Sequence[str]) -> PredictionSet:
    """v1's answers, of the columns that v2 gives too; what is missing the comparison will say."""
    recorded = named_by_feature(load_predictions(path), wanted)
    return recorded.select([name for name in wanted if name in recorded.columns])


def _repeatable(first: dict[str, Any], again: dict[str, Any]) -> Check:
    """The same requests give the same answers: no dropout was left on."""
    for name, values in again.items():
        # another batch size may round another way; a random layer is off by far more
        off = float(np.nanmax(np.abs(values - first[name][: len(values)]), initial=0.0))
        if off > 1e-4:
            detail = f"{name} differs by {off:.3g} when the same requests are asked again"
            return Check("repeatability", Stage.VALUES, Status.FAIL, detail)
    return Check("repeatability", Stage.VALUES, Status.PASS, "asked again, v2 answers the same")


@dataclass(frozen=True)
class _Reference:
    engine: OracleEngine
    text: str


def _reference(
    engine: TensorFlowEngine, responses: Path, given: str | Path | None
) -> _Reference | None:
    """The v1 model to compare layers with, and how sure it is that it gave the responses."""
    sources = engine.conversion.get("sources", {})
    weights = sources.get("weights") or sources.get("source")
    config = sources.get("source", {}).get("path") if "weights" in sources else None
    if given is not None:
        return _load(Path(given), None, engine, f"v1 is {given}, run by the oracle")
    if weights is None:
        return None
    converted = Path(weights["path"])
    beside = responses.parent / converted.name
    for path, text in (
        (beside, f"v1 is {beside}, beside the responses, run by the oracle"),
        (converted, f"v1 is {converted}, which v2 was converted from, run by the oracle"),
    ):
        if path.is_file():
            return _load(path, config, engine, text)
    return None


def _load(path: Path, config: str | None, engine: TensorFlowEngine, text: str) -> _Reference:
    from migrate.records import attach_splits
    from migrate.source import load_module

    source, weights = (Path(config), path) if config and Path(config).is_file() else (path, None)
    module = attach_splits(load_module(source, weights), engine.features)
    return _Reference(OracleEngine(module, engine.features, {}, path.stem), text)


def _altered(engine: TensorFlowEngine) -> Finding:
    files = ", ".join(engine.altered)
    text = f"{files}: not what the conversion wrote; the folder was altered since"
    return Finding(Status.INCONCLUSIVE, text, location=str(engine.folder))


def _finding(located: Located, reference: _Reference) -> list[Finding]:
    fault = located.fault
    if fault is None:
        return []
    text = f"the first layer that differs is {fault.path} [{fault.kind}]"
    return [Finding(Status.FAIL, text, location=fault.path, hint=fault.cause)]


def _provenance(engine: TensorFlowEngine, requests: str | Path, batch: Any) -> dict[str, Any]:
    from deepbird_v2.folder import sha256

    sources = engine.conversion.get("sources", {})
    versions = engine.conversion.get("versions", {})
    return {
        "requests": f"{requests} ({len(batch):,} records)",
        "requests sha256": sha256(Path(requests)),
        **{f"converted from ({role})": s["path"] for role, s in sources.items()},
        **{f"{role} sha256": s["sha256"] for role, s in sources.items()},
        **{f"{name} version": v for name, v in versions.items()},
    }
