"""``deepbird verify traffic``: recorded requests against v1's answers."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from deepbird_cli.options import AsJson, Outputs, PolicyFile
from deepbird_cli.outcome import finish
from deepbird_cli.progress import step
from deepbird_cli.quiet import quiet_tensorflow

__all__ = ["traffic"]


def traffic(
    requests: Annotated[Path, typer.Option(help="DataRecords v1 answered, or a recording.")],
    v2: Annotated[str, typer.Option(help="The model folder, or thrift://host:port.")],
    v1: Annotated[
        Path | None,
        typer.Option(help="v1's answers in the order of the requests; default: the recording's."),
    ] = None,
    v1_repeat: Annotated[
        Path | None, typer.Option(help="v1's answers, asked again: its own noise.")
    ] = None,
    v1_model: Annotated[
        Path | None, typer.Option(help="The v1 model (.t7), to profile the layers.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for reports, comparison and worst requests.")
    ] = None,
    policy: PolicyFile = None,
    column: Outputs = None,
    group: Annotated[
        str | None,
        typer.Option(help="Column of v1's file, or feature, that a ranking belongs to."),
    ] = None,
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", help='A part of the traffic, "name: SQL predicate".'),
    ] = None,
    slice_by: Annotated[
        list[str] | None, typer.Option(help="A feature whose every value is a slice.")
    ] = None,
    min_slice: Annotated[int, typer.Option(min=1, help="Fewest requests of a slice.")] = 50,
    allowed_rate: Annotated[
        float | None,
        typer.Option(help="Stop when bad answers are surely more frequent than this."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay recorded traffic: values, order, quality, slices, noise, and the worst requests."""
    if allowed_rate is not None and not 0.0 < allowed_rate < 1.0:
        raise typer.BadParameter("must be between 0 and 1", param_hint="--allowed-rate")
    from verify.traffic.candidate import is_endpoint

    if not is_endpoint(v2):
        quiet_tensorflow()
    with step("replaying", as_json):
        from verify.policy import Policy
        from verify.traffic.slices import parse_slice
        from verify.traffic.verify import Options, verify_traffic

        result = verify_traffic(
            v1 or requests,
            requests,
            v2,
            folder=report,
            v1_repeat=v1_repeat,
            v1_model=v1_model,
            policy=Policy.load(policy),
            options=Options(
                columns=tuple(column or ()),
                group=group,
                slices=tuple(parse_slice(text) for text in slices or ()),
                slice_by=tuple(slice_by or ()),
                minimum=min_slice,
                allowed_rate=allowed_rate,
            ),
            command=shlex.join(["deepbird", *sys.argv[1:]]),
        )
    finish(result, report, as_json)
