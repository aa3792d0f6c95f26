"""Options that several commands share: declared once, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# What a v1 model is, and what its source does not say.
Source = Annotated[Path, typer.Argument(help="A .t7 file or a YAML config.")]
Features = Annotated[
    Path | None, typer.Option(help="features.json, where the source has none beside it.")
]
Example = Annotated[Path | None, typer.Option(help="A .t7 file with an example input.")]
InputShape = Annotated[
    str | None, typer.Option(help="Shape of one batch of inputs, e.g. 1,3,224,224.")
]
Extensions = Annotated[
    list[Path] | None, typer.Option(help="Python file that registers converters.")
]

# How bins are made.
Bins = Annotated[int, typer.Option("--bins", min=2, help="Bins a feature.")]
OutputBits = Annotated[int, typer.Option("--output-bits", help="Ids lie below 2 to this power.")]
Method = Annotated[
    str, typer.Option(help="percentile, mdl (needs labels), hashing or hashed-percentile.")
]
Prior = Annotated[
    Path | None, typer.Option(help="Preserve the bins of this discretizer (any source).")
]
Refine = Annotated[bool, typer.Option("--refine", help="Let crowded bins of the prior split.")]
Reserve = Annotated[
    int | None, typer.Option(help="Ids set aside for bins, now and later; default half.")
]
AnyDiscretizer = Annotated[Path, typer.Argument(help="A discretizer, from any source.")]
OutputFile = Annotated[Path, typer.Option("-o", "--output", help="File to write.")]

# How a verdict is reported.
ReportFolder = Annotated[Path | None, typer.Option(help="Folder for the reports.")]
PolicyFile = Annotated[Path | None, typer.Option(help="Tolerance policy (YAML).")]
Outputs = Annotated[
    list[str] | None, typer.Option(help="Outputs to compare; default: all of v2's.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
ResultsFile = Annotated[
    Path | None, typer.Option("--json", help="File for every result as JSON; - prints it.")
]
