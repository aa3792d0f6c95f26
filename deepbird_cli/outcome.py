"""The end of every verification: the report to the terminal and to a folder, the exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from verify.report.tree import Report

__all__ = ["finish"]


def finish(report: Report, folder: Path | None, as_json: bool) -> None:
    """Print a report, write it, and leave with its verdict's exit code."""
    from verify.report import write_report
    from verify.report.to_console import print_report
    from verify.report.to_json import to_json

    if folder is not None:
        write_report(report, folder)
    if as_json:
        typer.echo(to_json(report))
    else:
        print_report(report)
        if folder is not None:
            typer.echo(f"report: {folder / 'report.html'}")
    raise typer.Exit(report.verdict.exit_code)
