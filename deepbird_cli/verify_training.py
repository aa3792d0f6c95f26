"""``deepbird verify training`` and ``verify gradients``: does v2 learn as v1 does?"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from deepbird_cli.outcome import finish
from deepbird_cli.progress import step
from deepbird_cli.quiet import quiet_tensorflow

__all__ = ["gradients", "training"]

Folder = Annotated[Path | None, typer.Option(help="Folder for the reports.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def training(
    folder: Annotated[Path, typer.Argument(help="A recorded v1 run: case.json, or a trace.")],
    report: Folder = None,
    only: Annotated[str | None, typer.Option(help="Of several traces, the one to run.")] = None,
    as_json: AsJson = False,
) -> None:
    """Repeat a recorded v1 training in v2, and find the first step and parameter that differ."""
    quiet_tensorflow()
    with step("training", as_json):
        from verify.training import verify_training

        command = shlex.join(["deepbird", *sys.argv[1:]])
        result = verify_training(folder, only=only, command=command)
    finish(result, report, as_json)


def gradients(
    model: Annotated[Path, typer.Argument(help="A v1 model (.t7), or what it was converted to.")],
    example: Annotated[
        Path | None, typer.Option(help="An input: .t7, or DataRecords (lzo).")
    ] = None,
    features: Annotated[
        Path | None, typer.Option(help="features.json, where the model has none beside it.")
    ] = None,
    report: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Check the gradient of every parameter against finite differences, in double precision."""
    quiet_tensorflow()
    with step("measuring slopes", as_json):
        from verify.gradients import verify_gradients

        command = shlex.join(["deepbird", *sys.argv[1:]])
        result = verify_gradients(model, example, features=features, command=command)
    finish(result, report, as_json)
