"""What a replay found, as sections of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verify.report.tree import Cell, Column, Facts, Section, Table
from verify.stats.noise import NoiseFloor
from verify.traffic.quality import Delta
from verify.traffic.ranking import RequestOrder
from verify.traffic.replay import Replayed
from verify.traffic.slices import SliceResult

__all__ = ["noise_section", "quality_section", "ranking_section", "replay_section", "slice_section"]

_SHOWN = 50


def replay_section(replayed: Replayed) -> Section:
    """How many requests were asked, and how they came out."""
    facts: dict[str, Cell] = {
        "requests": replayed.requests,
        "without an answer of v2": replayed.failures,
        **{f"beyond tolerance: {name}": count for name, count in replayed.beyond.items()},
        "stopped early": replayed.stopped,
    }
    if replayed.evidence is not None:
        facts["log e-value against v2"] = replayed.evidence.log_value
        facts["log e-value for v2"] = replayed.evidence.log_value_of_health
    text = f"Both answers to every request are in {replayed.store.name}."
    return Section("Replay", (Facts(facts),), text)


def quality_section(deltas: Mapping[str, Sequence[Delta]]) -> Section:
    """Quality of both versions with intervals of the difference."""
    columns = (
        Column("output"),
        Column("measure"),
        Column("v1"),
        Column("v2"),
        Column("change", help="of predicted/observed: relative"),
        Column("at least"),
        Column("at most"),
        Column("allowed"),
    )
    found = [(name, delta) for name, each in deltas.items() for delta in each]
    rows = tuple(
        (
            name,
            d.name,
            d.v1,
            d.v2,
            d.interval.estimate,
            d.interval.low,
            d.interval.high,
            d.margin.describe(),
        )
        for name, d in found
    )
    statuses = tuple(delta.status for _, delta in found)
    text = (
        "Paired bootstrap over requests, 95 % intervals. PASS: the whole interval is inside the "
        "margin; FAIL: all of it is outside. ECE uses v1's bins for both."
    )
    return Section("Quality against labels", (Table(columns, rows, statuses=statuses),), text)


def slice_section(results: Sequence[SliceResult]) -> Section:
    """The slices, worst first."""
    columns = (
        Column("slice"),
        Column("output"),
        Column("requests"),
        Column("beyond tolerance"),
        Column("elsewhere"),
        Column("max |d|"),
        Column("bias"),
        Column("shift, %", help="sum of v2 over sum of v1"),
        Column("p gathered", help="bad answers fall here by chance; adjusted over all slices"),
        Column("p shifted", help="such a shift by chance; adjusted over all slices"),
    )
    rows = tuple(
        (
            r.slice.name,
            r.output,
            r.rows,
            r.beyond,
            r.beyond_outside,
            r.max_abs,
            r.bias,
            None if r.shift is None else 100.0 * r.shift,
            r.p_gathered,
            r.p_shifted,
        )
        for r in results[:_SHOWN]
    )
    shown = f", the worst {_SHOWN} of {len(results):,}" if len(results) > _SHOWN else ""
    statuses = tuple(r.status for r in results[:_SHOWN])
    predicates: dict[str, Cell] = {
        r.slice.name: r.slice.predicate
        for r in results[:_SHOWN]
        if r.slice.predicate != r.slice.name
    }
    blocks: list[Table | Facts] = [Table(columns, rows, statuses=statuses)]
    if predicates:
        listed = tuple(predicates.items())
        blocks.append(Table((Column("slice"), Column("predicate")), listed, "Predicates"))
    return Section(f"Slices{shown}", tuple(blocks))


def ranking_section(orders: Mapping[str, RequestOrder]) -> Section:
    """The requests whose order changed most."""
    columns = (
        Column("request"),
        Column("rows"),
        Column("Kendall tau-b"),
        Column("weighted tau", help="the top counts most"),
        Column("top 10 in common"),
        Column("NDCG change"),
        Column("real flips"),
        Column("flips inside the noise"),
    )
    blocks: list[Facts | Table] = []
    for name, order in orders.items():
        title = f"{name}: the worst {len(order.rows)} of {order.requests:,} requests"
        blocks += [Facts(order.facts, name), Table(columns, order.rows, title, order.statuses)]
    return Section("Order within requests", tuple(blocks))


def noise_section(floors: Mapping[str, NoiseFloor], differences: Mapping[str, float]) -> Section:
    """v1 against itself beside v2 against v1."""
    columns = (Column("output"), Column("v1 repeated"), Column("v2"), Column("v2 over v1's noise"))
    rows = tuple(
        (name, floor.value, differences[name], floor.ratio(differences[name]))
        for name, floor in floors.items()
    )
    text = "Largest absolute difference from v1's recorded answers."
    return Section("Noise", (Table(columns, rows),), text)
