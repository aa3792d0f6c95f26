"""``deepbird verify latency``: is v2 as fast as v1?"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from deepbird_cli.outcome import finish
from deepbird_cli.progress import step
from verify.latency.design import Design

__all__ = ["latency"]


def latency(
    v1: Annotated[
        str,
        typer.Option(
            help="Model folder, .t7, YAML, thrift://host:port, or recorded latencies (.json, .csv)."
        ),
    ],
    v2: Annotated[str, typer.Option(help="Model folder, .t7, YAML, or thrift://host:port.")],
    requests: Annotated[Path, typer.Option(help="DataRecords to ask for.")],
    batch: Annotated[int, typer.Option(help="Records a request.")] = 32,
    budget: Annotated[
        Path | None, typer.Option(help="Limits, a line each, such as 'p99 <= 1.1 * v1'.")
    ] = None,
    v1_backend: Annotated[str, typer.Option(help="auto, compiled, litert or tensorflow.")] = "auto",
    v2_backend: Annotated[str, typer.Option(help="auto, compiled, litert or tensorflow.")] = "auto",
    features: Annotated[str | None, typer.Option(help="features.json of a v1 source.")] = None,
    restarts: Annotated[
        int, typer.Option(help="Process restarts before the first look.")
    ] = Design.restarts,
    most_restarts: Annotated[
        int, typer.Option(help="Restarts after which to stop.")
    ] = Design.most_restarts,
    blocks: Annotated[int, typer.Option(help="Blocks a restart.")] = Design.blocks,
    rounds: Annotated[int, typer.Option(help="Rounds v1, v2, v2, v1 a block.")] = Design.rounds,
    count: Annotated[int, typer.Option(help="Requests a turn.")] = Design.requests,
    cpu: Annotated[int | None, typer.Option(help="Processor that the engines share.")] = None,
    report: Annotated[Path | None, typer.Option(help="Folder for the reports.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure both on this machine in pairs, each in its own process, and judge the bounds."""
    with step("measuring", as_json):
        from verify.latency.budget import load_budgets
        from verify.latency.check import read_requests, verify_latency
        from verify.latency.target import Target

        result = verify_latency(
            Target.parse(v1, v1_backend, features),
            Target.parse(v2, v2_backend, features),
            read_requests(requests, batch),
            budgets=None if budget is None else load_budgets(budget),
            design=Design(restarts, max(restarts, most_restarts), blocks, rounds, count),
            cpu=cpu,
            folder=report,
            command=shlex.join(["deepbird", *sys.argv[1:]]),
        )
    finish(result, report, as_json)
