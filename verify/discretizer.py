"""``verify discretizer``: does every value keep its id?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepbird_v2.discretizers.state import Discretizer
from deepbird_v2.discretizers.warm_start import map_rows
from migrate.discretizer import load_discretizer
from migrate.records import find_features
from verify.compare.discretizer import FeatureDiff, compare_feature, parents_of
from verify.report.tree import Column, Facts, HeatMap, Report, Section, Table
from verify.verdict import Check, Stage, Status, Verdict

__all__ = ["compare_discretizers", "verify_discretizer"]

Array = np.ndarray[Any, Any]

# Heat maps are drawn of so many features, those that differ first.
HEAT_MAPS = 40
# So many ranges of values are spelled out a feature; the report lists so many in all.
RANGES = 3
LISTED = 5_000
OTHER_KEYS = 10_000
_BATCH = 4096


def verify_discretizer(
    old: str | Path,
    new: str | Path,
    data: Sequence[str | Path] = (),
    *,
    features: str | Path | None = None,
    float32: bool = False,
    command: str | None = None,
) -> Report:
    """Compare two discretizers from any source that `load_discretizer` reads.

    Args:
        old: the one that counts.
        new: the one in question.
        data: DataRecords, block format: the traffic to count moved values in.
        features: features.json of the data; default: the one beside the first file.
        float32: read the new one as a runtime without float64 would.
        command: how to produce the report again.

    Raises:
        ValueError, OSError: an input cannot be used.
    """
    states = load_discretizer(old), load_discretizer(new, float32=float32)
    traffic = _traffic([Path(path) for path in data], features)
    return compare_discretizers(*states, traffic, roles=(str(old), str(new)), command=command)


def compare_discretizers(
    old: Discretizer,
    new: Discretizer,
    traffic: tuple[Array, Array] | None = None,
    *,
    roles: tuple[str, str] = ("old", "new"),
    command: str | None = None,
) -> Report:
    """Compare two discretizers.

    A value may keep its id, or get that of a bin which the new state says was split from the old
    one. New features are accepted where the new state was calibrated from the old one. Everything
    else fails, and the feature is named.

    Args:
        old: the one that counts.
        new: the one in question.
        traffic: (int64[n] keys, float64[n] values).
        roles: what the two are, for the report.
        command: how to produce the report again.
    """
    keys, values = traffic if traffic is not None else (np.zeros(0, np.int64), np.zeros(0))
    before, after = set(old.table.features.tolist()), set(new.table.features.tolist())
    parents = parents_of(old, new)
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    found = []
    for feature in sorted(before & after):
        span = slice(
            np.searchsorted(keys, feature, side="left"),
            np.searchsorted(keys, feature, side="right"),
        )
        found.append(compare_feature(old, new, feature, values[span], parents))
    checks = [
        *_feature_sets(old, new, before, after),
        *(_checked(diff) for diff in found if not diff.same),
        *_summaries(old, new, found, traffic is not None),
        _others(old, new, after),
        _collisions(old, new),
    ]
    return Report(
        title="Discretizer: does every value keep its id?",
        verdict=Verdict.combine(checks),
        roles={"v1": _described(roles[0], old), "v2": _described(roles[1], new)},
        sections=tuple(_sections(old, new, found)),
        provenance={"v1 fingerprint": old.fingerprint, "v2 fingerprint": new.fingerprint},
        command=command,
    )


def _traffic(paths: Sequence[Path], features: str | Path | None) -> tuple[Array, Array] | None:
    """Keys and values of the continuous features of recorded traffic."""
    if not paths:
        return None
    from deepbird_v2.data.features import FeatureKind
    from deepbird_v2.data.sources import decode_group, ordered_groups

    config = find_features(paths[0], features)
    if config is None:
        raise ValueError(f"{paths[0]}: no features.json beside it; name one with --features")
    keys, values = [np.zeros(0, np.int64)], [np.zeros(0)]
    for group in ordered_groups(paths, _BATCH, strict=True):
        batch = decode_group(group, config, strict=True, on_error="raise")
        chosen = batch.kind == FeatureKind.CONTINUOUS
        keys.append(batch.key[chosen])
        values.append(batch.value[chosen])
    return np.concatenate(keys), np.concatenate(values)


def _feature_sets(
    old: Discretizer, new: Discretizer, before: set[int], after: set[int]
) -> list[Check]:
    checks = [
        Check(
            str(old.by_id[feature]),
            Stage.DISCRETIZER,
            Status.FAIL,
            f"v2 does not discretize it; its {len(old.by_id[feature].ids)} ids are gone",
        )
        for feature in sorted(before - after)
    ]
    added = sorted(after - before)
    if added and old.fingerprint in new.lineage:
        detail = f"{len(added)} new ones, calibrated on top of v1"
        checks.append(Check("features", Stage.NAMES, Status.PASS, detail))
    else:
        checks += [
            Check(
                str(new.by_id[feature]),
                Stage.DISCRETIZER,
                Status.FAIL,
                "v2 alone discretizes it, and v2 was not calibrated from v1",
            )
            for feature in added
        ]
    if not checks:
        checks.append(Check("features", Stage.NAMES, Status.PASS, f"{len(before)} on both sides"))
    return checks


def _checked(diff: FeatureDiff) -> Check:
    parts = [str(r) for r in diff.ranges[:RANGES]]
    if len(diff.ranges) > RANGES:
        parts.append(f"and {len(diff.ranges) - RANGES} more ranges")
    if diff.special:
        parts.append(f"special values moved: {', '.join(diff.special)}")
    if diff.traffic:
        parts.append(f"{diff.traffic_moved:,} of {diff.traffic:,} recorded values move")
    return Check(
        diff.name,
        Stage.DISCRETIZER,
        Status.FAIL,
        "; ".join(parts) or f"{diff.probes_moved} probes moved",
        {"ranges": len(diff.ranges), "traffic_moved": diff.traffic_moved},
        repr(diff.ranges[0].low) if diff.ranges else None,
    )


def _summaries(
    old: Discretizer, new: Discretizer, found: list[FeatureDiff], has_traffic: bool
) -> list[Check]:
    def summary(name: str, moved: int, of: int, what: str) -> Check:
        status = Status.FAIL if moved else Status.PASS
        detail = f"{moved:,} of {of:,} {what} move" if moved else f"{of:,} {what} keep their id"
        return Check(name, Stage.DISCRETIZER, status, detail, {"moved": moved, "n": of})

    probes, moved = sum(d.probes for d in found), sum(d.probes_moved for d in found)
    special = sum(len(d.special) for d in found)
    checks = [
        summary("boundaries", moved, probes, "values on and beside boundaries"),
        summary("special values", special, 9 * len(found), "special values"),
    ]
    if has_traffic:
        n, gone = sum(d.traffic for d in found), sum(d.traffic_moved for d in found)
        checks.append(summary("traffic", gone, n, "recorded values"))
        if not n:
            nothing = "the data holds no value of any discretized feature"
            checks[-1] = Check("traffic", Stage.DISCRETIZER, Status.INCONCLUSIVE, nothing)
        beyond = [d for d in found if d.psi and d.psi.value > d.psi.baseline]
        worst = max((d.psi.value for d in found if d.psi), default=0.0)
        checks.append(
            Check(
                "population of ids",
                Stage.DISTRIBUTION,
                Status.FAIL if beyond and gone else Status.PASS,
                f"largest PSI {worst:.4g}; beyond chance in {len(beyond)} features",
            )
        )
    if not found:
        nothing = "no feature is discretized on both sides"
        return [Check("features", Stage.NAMES, Status.NOT_COMPARABLE, nothing)]
    return checks


def _others(old: Discretizer, new: Discretizer, known: set[int]) -> Check:
    """Keys of no feature: the same rule, or at least the same answers to random keys."""
    rng = np.random.default_rng(0)
    keys = rng.integers(-(2**63), 2**63 - 1, OTHER_KEYS, endpoint=True)
    keys = np.concatenate([keys, [0, 1, -1, -(2**63), 2**63 - 1]])
    gone = set(old.table.features.tolist()) | known
    keys = keys[~np.isin(keys, np.array(sorted(gone), np.int64))]
    ones = np.ones(len(keys))
    moved = int((old.apply(keys, ones)[0] != new.apply(keys, ones)[0]).sum())
    status = Status.FAIL if moved else Status.PASS
    detail = f"{moved:,} of {len(keys):,} keys without a feature move"
    if not moved:
        detail = f"{len(keys):,} keys without a feature keep their id"
    return Check("other keys", Stage.DISCRETIZER, status, detail, {"moved": moved})


def _collisions(old: Discretizer, new: Discretizer) -> Check:
    several, beside = new.shared_ids
    several_before, beside_before = old.shared_ids
    shared = [
        f"id {i} belongs to {n} bins" for i, n in several.items() if n > several_before.get(i, 1)
    ]
    shared += [f"id {i} is also given to other keys" for i in sorted(beside - beside_before)]
    if shared:
        more = [f"and {len(shared) - RANGES} more"] if len(shared) > RANGES else []
        detail = "; ".join(shared[:RANGES] + more)
        return Check("collisions", Stage.DISCRETIZER, Status.FAIL, detail)
    inherited = new.collisions()
    detail = f"inherited from v1: {inherited[0]}" if inherited else "no id belongs to two"
    return Check("collisions", Stage.DISCRETIZER, Status.PASS, detail)


def _sections(old: Discretizer, new: Discretizer, found: list[FeatureDiff]) -> list[Section]:
    rows = map_rows(old, new)
    ids = int((rows.new == rows.old).sum())
    warm = Facts(
        {
            **{f"rows {name}": count for name, count in rows.counts.items()},
            "rows under the same id": ids,
            "rows of other keys": "taken over" if rows.others else "new",
        },
        "Warm start of a first layer",
    )
    ordered = sorted(found, key=lambda d: (d.same, -d.traffic_moved, d.name))
    maps = tuple(_heat_map(diff) for diff in ordered[:HEAT_MAPS])
    left = len(ordered) - len(maps)
    text = f"{left} features more, in which nothing moves, are not drawn." if left > 0 else ""
    return [
        Section("Features", (warm, _table(ordered))),
        *_moved(ordered),
        Section("Old and new bins", maps, text),
    ]


def _moved(found: list[FeatureDiff]) -> list[Section]:
    """Every range of values that moves, written so that it reads back as the same numbers."""
    ranges = [(d, r) for d in found for r in d.ranges]
    if not ranges:
        return []
    columns = (
        Column("feature"),
        Column("from", help="the smallest value of the range"),
        Column("to", help="the largest one, which moves too"),
        Column("old id"),
        Column("new id"),
        Column("recorded values"),
    )
    rows = tuple(
        (d.name, repr(r.low), repr(r.high), r.old, r.new, r.recorded if d.traffic else None)
        for d, r in ranges[:LISTED]
    )
    left = len(ranges) - len(rows)
    text = f"{left:,} ranges more are not listed." if left else ""
    return [Section("Values that move", (Table(columns, rows, "Every range of values"),), text)]


def _table(found: list[FeatureDiff]) -> Table:
    columns = (
        Column("feature"),
        Column("ranges moved"),
        Column("ranges split"),
        Column("boundary probes moved"),
        Column("traffic"),
        Column("traffic moved", "%"),
        Column("PSI", help="over ids, 0.5 added to each count"),
        Column("PSI by chance", help="99th percentile of 200 permutations"),
        Column("ids"),
    )
    rows = tuple(
        (
            d.name,
            len(d.ranges),
            d.split,
            d.probes_moved,
            d.traffic,
            100.0 * d.traffic_moved / d.traffic if d.traffic else None,
            d.psi.value if d.psi else None,
            d.psi.baseline if d.psi else None,
            d.psi.bins if d.psi else None,
        )
        for d in found
    )
    statuses = tuple(Status.PASS if d.same else Status.FAIL for d in found)
    return Table(columns, rows, "Every feature", statuses)


def _heat_map(diff: FeatureDiff) -> HeatMap:
    return HeatMap(
        title=f"{diff.name}: {'recorded values' if diff.traffic else 'values beside boundaries'}",
        x_label="bin in v2, by id",
        y_label="bin in v1, by id",
        counts=tuple(tuple(row) for row in diff.matrix.tolist()),
    )


def _described(source: str, state: Discretizer) -> str:
    return (
        f"{source} ({len(state.table.features)} features, {state.method}, {state.search.value}, "
        f"{'float32' if state.float32 else 'float64'})"
    )
