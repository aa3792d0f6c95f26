"""``deepbird verify``: is v2 the same as v1?"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from deepbird_cli.outcome import finish
from deepbird_cli.progress import step
from deepbird_cli.quiet import quiet_tensorflow

__all__ = ["app"]

app = typer.Typer(help="Is v2 the same as v1?", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Is v2 the same as v1?"""


@app.command()
def inference(
    v1: Annotated[Path, typer.Option(help="v1's responses: lzo, Parquet, csv, jsonl or npz.")],
    requests: Annotated[Path, typer.Option(help="The DataRecords v1 answered.")],
    v2: Annotated[Path, typer.Option(help="The model folder.")],
    report: Annotated[Path | None, typer.Option(help="Folder for the reports.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Tolerance policy (YAML).")] = None,
    v1_model: Annotated[
        Path | None, typer.Option(help="The v1 model (.t7), to find the layer that differs.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="Outputs to compare; default: all of v2's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Ask v2 what v1 was asked, compare the answers, and find the layer that differs."""
    quiet_tensorflow()
    with step("asking v2", as_json):
        from verify.inference import verify_inference
        from verify.policy import Policy

        result = verify_inference(
            v1,
            requests,
            v2,
            policy=Policy.load(policy),
            v1_model=v1_model,
            columns=column,
            command=shlex.join(["deepbird", *sys.argv[1:]]),
        )
    finish(result, report, as_json)
