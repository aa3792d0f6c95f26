"""``deepbird verify isotonic``: two calibration maps."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from deepbird_cli.options import AsJson, ReportFolder
from deepbird_cli.outcome import finish
from deepbird_cli.progress import step
from deepbird_cli.quiet import quiet_tensorflow

__all__ = ["isotonic"]


def isotonic(
    old: Annotated[Path, typer.Argument(help="The map that counts: .t7, model folder, map file.")],
    new: Annotated[Path, typer.Argument(help="The one in question, from any source.")],
    data: Annotated[
        list[Path] | None, typer.Option(help="Recorded scores: any file of predictions.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="The column of scores, where a file has several.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Largest difference of a probability; 0: equal maps.")
    ] = 0.0,
    report: ReportFolder = None,
    as_json: AsJson = False,
) -> None:
    """Does every score keep its probability? Every point, what lies between, recorded scores."""
    if old.is_dir() or new.is_dir():
        quiet_tensorflow()
    from verify.isotonic import verify_isotonic

    with step("comparing maps", as_json):
        result = verify_isotonic(
            old,
            new,
            data or (),
            column=column,
            tolerance=tolerance,
            command=shlex.join(["deepbird", *sys.argv[1:]]),
        )
    finish(result, report, as_json)
