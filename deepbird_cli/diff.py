"""``deepbird diff``: two files of predictions."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from deepbird_cli.outcome import finish
from deepbird_cli.progress import step

__all__ = ["diff"]


def diff(
    v1: Annotated[Path, typer.Argument(help="v1's predictions: lzo, Parquet, npz, csv, jsonl.")],
    v2: Annotated[Path, typer.Argument(help="v2's predictions, in any of these formats.")],
    column: Annotated[
        list[str] | None, typer.Option(help="Columns to compare; default: all of v1's.")
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Column that identifies a row.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of labels.")] = None,
    group_column: Annotated[
        str | None, typer.Option(help="Column of what a ranking belongs to.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Tolerance policy (YAML).")] = None,
    report: Annotated[Path | None, typer.Option(help="Folder for the reports.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Compare two sets of predictions, joined by id, or by position where neither has ids."""
    with step("comparing", as_json):
        from verify.diff import diff as compare
        from verify.policy import Policy
        from verify.predictions import load_predictions

        options = {
            "id_column": id_column,
            "label_column": label_column,
            "group_column": group_column,
        }
        result = compare(
            load_predictions(v1, **options),
            load_predictions(v2, **options),
            Policy.load(policy),
            {name: name for name in column} if column else None,
            command=shlex.join(["deepbird", *sys.argv[1:]]),
        )
    finish(result, report, as_json)
