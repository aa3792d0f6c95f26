"""``verify traffic``: recorded requests replayed against v2, judged beside v1's answers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from deepbird_v2.data import feature_id
from deepbird_v2.folder import sha256
from verify.diff import diff
from verify.explain import explained
from verify.policy import Policy
from verify.report.tree import Report, Section
from verify.stats.noise import NoiseFloor, noise_floor
from verify.traffic import judge, sections
from verify.traffic.candidate import Candidate, is_endpoint
from verify.traffic.examples import write_examples
from verify.traffic.features import FeatureColumns
from verify.traffic.layers import layer_profile
from verify.traffic.recorder import RecordingInfo
from verify.traffic.records import is_parquet
from verify.traffic.replay import Replay, Replayed
from verify.traffic.responses import Responses
from verify.traffic.slice_store import need_duckdb
from verify.traffic.slices import MINIMUM, Slice, judge_slices, quoted_names
from verify.traffic.stored import MOST_ROWS, Stored, load_stored
from verify.verdict import Check, Stage, Status

__all__ = ["Options", "verify_traffic"]

STORE = "comparison.parquet"
EXAMPLES = "examples"


@dataclass(frozen=True)
class Options:
    """What to look at.

    Attributes:
        columns: Outputs to compare; default: all of v2's.
        group: Column of v1's file or feature of the requests that a ranking belongs to; default:
            a column of a usual name.
        slices: Named slices.
        slice_by: Features whose every value is a slice.
        minimum: Fewest requests of a slice.
        allowed_rate: Rate of bad answers for a sequential test that ends the replay when it is
            surely exceeded; None for none.
        most_rows: Rows for order, quality and distribution; of more, whole requests are sampled.
    """

    columns: tuple[str, ...] = ()
    group: str | None = None
    slices: tuple[Slice, ...] = ()
    slice_by: tuple[str, ...] = ()
    minimum: int = MINIMUM
    allowed_rate: float | None = None
    most_rows: int = MOST_ROWS


def verify_traffic(
    v1: str | Path,
    requests: str | Path,
    v2: str | Path | Candidate,
    *,
    folder: str | Path | None = None,
    v1_repeat: str | Path | None = None,
    v1_model: str | Path | None = None,
    policy: Policy | None = None,
    options: Options | None = None,
    command: str | None = None,
) -> Report:
    """Replay recorded requests against v2 and judge its answers beside v1's.

    Args:
        v1: v1's answers in the order of the requests: a block file, Parquet, or any other
            prediction file.
        requests: DataRecords in a block file, or a Parquet recording.
        v2: The model folder, ``thrift://host:port``, or anything that answers like a model.
        folder: Where the comparison and the worst requests are stored; None stores nothing.
        v1_repeat: v1's answers to the same requests, asked again: its own noise.
        v1_model: The v1 model (``.t7``), to profile the layers.
        policy: Tolerances; default: the packaged policy.
        options: What to look at.
        command: How to produce the report again.

    Returns:
        The report. Requests that v2 fails to answer are part of it.

    Raises:
        DataError, PredictionError, FolderError, SliceError: An input cannot be used.
    """
    policy, options = policy or Policy.load(), options or Options()
    with ExitStack() as stack:
        candidate, v2_name = stack.enter_context(_candidate(v2, options.columns))
        if options.slices or options.slice_by:
            need_duckdb()  # rather now than after a long replay
        replay = _replay(Path(v1), Path(requests), candidate, policy, options, v1_repeat)
        root = Path(folder or stack.enter_context(tempfile.TemporaryDirectory()))
        root.mkdir(parents=True, exist_ok=True)
        replayed = replay.run(root / STORE)
        report = _judged(replay, replayed, policy, options, (str(v1), v2_name))
        extra: list[Section] = []
        if v1_model is not None:
            profile, check = layer_profile(v1_model, candidate, requests)
            extra.append(profile)
            verdict = explained([*report.verdict.checks, check])
            report = replace(report, verdict=verdict)
        if replayed.worst and folder is not None:
            examples = write_examples(replayed.worst, root / EXAMPLES, v2_name, v1_model)
            extra.append(examples)
    return replace(
        report,
        title=f"Traffic of {getattr(candidate, 'name', v2_name)}",
        roles={"v1": str(v1), "v2": v2_name} | ({"v1_repeat": str(v1_repeat)} if v1_repeat else {}),
        sections=_in_reading_order(*report.sections, *extra),
        provenance={
            **report.provenance,
            "requests": f"{requests} ({replayed.requests:,} records)",
            "requests sha256": sha256(Path(requests)),
            "v1 sha256": sha256(Path(v1)),
        },
        command=command,
    )


# Sections in the order in which a reader asks; others (columns: scatter, errors) come first.
_LAST = (
    "Layers",
    "Worst requests",
    "Order within requests",
    "Slices",
    "Quality",
    "Noise",
    "Replay",
)


def _in_reading_order(*found: Section) -> tuple[Section, ...]:
    def place(section: Section) -> int:
        starts = (i for i, title in enumerate(_LAST) if section.title.startswith(title))
        return next(starts, -1)

    return tuple(sorted(found, key=place))


@contextmanager
def _candidate(
    v2: str | Path | Candidate, outputs: tuple[str, ...]
) -> Iterator[tuple[Candidate, str]]:
    if isinstance(v2, str) and is_endpoint(v2):
        from verify.traffic.endpoint import Endpoint

        with Endpoint(v2, outputs) as endpoint:
            yield endpoint, v2
        return
    if not isinstance(v2, str | Path):
        yield v2, getattr(v2, "name", type(v2).__name__)
        return
    from verify.engines.tensorflow import TensorFlowEngine

    engine = TensorFlowEngine(v2)
    if engine.features is None:
        raise ValueError(f"{v2}: the model takes tensors; compare its outputs with deepbird diff")
    yield cast(Candidate, engine), str(v2)


def _replay(
    v1: Path,
    requests: Path,
    candidate: Candidate,
    policy: Policy,
    options: Options,
    v1_repeat: str | Path | None,
) -> Replay:
    _check_recording(requests, candidate)
    outputs = options.columns or tuple(candidate.outputs)
    answers = Responses(v1, outputs, options.group)
    group = None if options.group is None or answers.has_groups else options.group
    own = {f"{name}.{part}" for name in outputs for part in ("v1", "v2", "v1_repeat", "beyond")}
    named = [name for s in options.slices for name in quoted_names(s.predicate)]
    named += [*options.slice_by, *((group,) if group else ())]
    wanted = dict.fromkeys(n for n in named if n not in own | {"row", "label", "group", "failure"})
    known = [*candidate.features.name_of.values(), *own]
    return Replay(
        candidate,
        requests,
        answers,
        tuple(name for name in outputs if name in answers.present),
        policy,
        Responses(v1_repeat, outputs) if v1_repeat else None,
        FeatureColumns.find(requests, wanted, known),
        group,
        options.allowed_rate,
    )


def _check_recording(requests: Path, candidate: Candidate) -> None:
    """Refuse a recording that lacks what v2 reads: v1 answered with it."""
    info = RecordingInfo.read(requests) if is_parquet(requests) else None
    read = set(candidate.features.ids)
    lost = [name for name in info.scrubbed if feature_id(name) in read] if info else []
    if lost:
        raise ValueError(
            f"{requests}: recorded without {', '.join(lost)}, which v2 reads and v1 had; record "
            f"again without scrubbing it"
        )


def _judged(
    replay: Replay,
    replayed: Replayed,
    policy: Policy,
    options: Options,
    names: tuple[str, str],
) -> Report:
    """The report of one replay, without what names files."""
    checks = [*judge.counts(replayed), *judge.answers(replayed)]
    lacking = [n for n in options.columns or replay.candidate.outputs if n not in replay.outputs]
    if lacking and replayed.v1_rows:
        detail = f"{names[0]} has no answers of {', '.join(lacking)}"
        checks.append(Check("columns", Stage.NAMES, Status.NOT_COMPARABLE, detail))
    if any(c.status is Status.NOT_COMPARABLE for c in checks) or not replayed.requests:
        return Report("", explained(checks), {})
    found = [sections.replay_section(replayed)]
    stored = load_stored(
        replayed.store, replay.outputs, labelled=replayed.labelled, most_rows=options.most_rows
    )
    if len(stored.rows) == 0:
        return Report("", explained(checks), {}, tuple(found))
    # before the policy itself is judged: a margin that nobody checked is a failure
    more, extra = _extras(replayed, stored, policy, options)
    report = diff(*stored.sets(*names), policy)
    floors = _floors(stored)
    checks += judge.beyond_noise(report.verdict.checks, stored, floors)
    checks += judge.places(stored, policy)
    checks += judge.noise(floors, policy)
    if stored.sampled:
        checks += judge.every_row(replayed, policy)
    checks, found = checks + more, found + extra
    if floors:
        apart = {n: float(np.nanmax(np.abs(stored.v2[n] - stored.v1[n]))) for n in floors}
        found.append(sections.noise_section(floors, apart))
    return replace(report, verdict=explained(checks), sections=(*found, *report.sections))


def _extras(
    replayed: Replayed,
    stored: Stored,
    policy: Policy,
    options: Options,
) -> tuple[list[Check], list[Section]]:
    """Slices, order within requests, quality: each if there is something to judge."""
    checks: list[Check] = []
    found: list[Section] = []
    if options.slices or options.slice_by:
        results = judge_slices(
            replayed.store,
            options.slices,
            stored.v1,
            partial(policy.margin, "slice_shift"),
            by=options.slice_by,
            minimum=options.minimum,
        )
        checks += judge.slices(results)
        found.append(sections.slice_section(results))
    deltas = judge.quality(stored, policy)
    if deltas:
        checks += judge.quality_checks(deltas)
        found.append(sections.quality_section(deltas))
    if stored.groups is not None:
        orders = {name: judge.order(stored, name, policy) for name in stored.v1}
        found.append(sections.ranking_section(orders))
    return checks, found


def _floors(stored: Stored) -> dict[str, NoiseFloor]:
    return {
        name: noise_floor(stored.v1[name], {"v1 repeated": again})
        for name, again in stored.v1_repeat.items()
    }
