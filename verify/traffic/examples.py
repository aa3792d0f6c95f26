"""The worst requests as files, each with the one command that shows it again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from deepbird_v2.data import encode_predictions, feature_id, write_records
from verify.report.tree import Column, Section, Table
from verify.traffic.candidate import is_endpoint
from verify.traffic.replay import WorstRow
from verify.verdict import Status

__all__ = ["write_examples"]


def write_examples(
    worst: Sequence[WorstRow], folder: Path, v2: str, v1_model: str | Path | None
) -> Section:
    """Write a request and v1's answer to it for each of the worst rows.

    Args:
        worst: The rows, worst first.
        folder: Where to; it is made.
        v2: The model folder, for the commands.
        v1_model: The v1 model, for the commands.

    Returns:
        A section with the commands.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for entry in worst:
        request = folder / f"row-{entry.row}.requests.lzo"
        answer = folder / f"row-{entry.row}.v1.lzo"
        answers = {feature_id(name): [value] for name, value in entry.v1.items()}
        write_records(request, [entry.record])
        write_records(answer, encode_predictions(answers))
        files = ["--v1", str(answer), "--requests", str(request), "--v2", v2]
        command = ["deepbird", "verify", "traffic" if is_endpoint(v2) else "inference", *files]
        if is_endpoint(v2):
            command += [word for name in entry.v1 for word in ("--column", name)]
        elif v1_model:
            command += ["--v1-model", str(v1_model)]
        rows.append((f"row {entry.row}", entry.what, entry.ratio, shlex.join(command)))
    columns = (
        Column("request"),
        Column("what"),
        Column("|d| over allowed", help="infinite where v2 gave no number"),
        Column("shows it again"),
    )
    table = Table(columns, tuple(rows), statuses=(Status.FAIL,) * len(rows))
    return Section("Worst requests", (table,), "Each is stored with v1's answer to it.")
