"""Writing a report in every format, each file complete or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from verify.report.to_html import to_html
from verify.report.to_json import to_json
from verify.report.to_junit import to_junit
from verify.report.to_markdown import to_markdown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verify.report.tree import Report

FORMATS = {
    "json": ("report.json", to_json),
    "markdown": ("report.md", to_markdown),
    "html": ("report.html", to_html),
    "junit": ("junit.xml", to_junit),
}


def write_report(
    report: Report, folder: str | Path, formats: Iterable[str] = tuple(FORMATS)
) -> dict[str, Path]:
    """Write a report.

    Args:
        report: The report.
        folder: Where to; it is made if it does not exist.
        formats: Names from `FORMATS`.

    Returns:
        The path of each format.

    Raises:
        ValueError: A format is unknown.
        OSError: The folder cannot be written.
    """
    chosen = list(formats)
    for name in chosen:
        if name not in FORMATS:
            raise ValueError(f"unknown report format {name!r}; formats are {', '.join(FORMATS)}")
    # all rendering before any writing: an error leaves an older report whole
    texts = {name: FORMATS[name][1](report) for name in chosen}
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / FORMATS[name][0] for name in chosen}
    for name, path in paths.items():
        write_atomically(path, texts[name])
    return paths


def write_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text under a temporary name in the same folder, then rename it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
